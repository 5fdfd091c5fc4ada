"""What exists and from what: read, call the model, write, report."""
