"""Ways to compute saliency, as entries of a config."""
