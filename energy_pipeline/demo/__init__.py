"""The demo home: a deterministic household, and a server that speaks the suppliers' HTTP."""
