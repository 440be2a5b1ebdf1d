"""Training loop, data sets, sampling and augmentation, shared by all models."""
