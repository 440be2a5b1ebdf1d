"""Saliency maps: which pixels a classifier looks at, per pathology."""
