"""Sources of masks: whatever teaches a segmenter ends in a store `masks/<name>/<shard>.h5`."""
