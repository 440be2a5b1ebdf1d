"""Applying models: which device computes, in which batches, and writing masks."""
