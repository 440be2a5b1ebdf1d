"""Applying models: devices, batches and writing masks."""
