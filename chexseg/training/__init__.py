"""Training loops, data sets, sampling and augmentation, the same for every model."""
