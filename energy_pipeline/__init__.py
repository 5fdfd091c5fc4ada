"""The home energy pipeline. Start reading at `definitions.py`."""
