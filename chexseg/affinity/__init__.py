"""Affinity between pixels: IRN's paths, IRNet labels from a dense CRF, and the random walk."""
