"""Saliency maps: the evidence of a classifier in each pixel, per pathology."""
