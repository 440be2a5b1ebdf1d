"""Writing records: how each artifact was made, with its inputs, settings and code."""
