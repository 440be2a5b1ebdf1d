"""Writing records: what made each artifact, from what, with which settings and code."""
