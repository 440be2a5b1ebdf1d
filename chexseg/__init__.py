"""CheXseg: multi-label segmentation of chest X-rays from image labels and a few expert masks."""

__version__ = "0.2.0"
