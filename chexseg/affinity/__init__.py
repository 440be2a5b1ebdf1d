"""Affinity between pixels: IRN's paths, labels for IRNet from a dense CRF, and the random walk."""
