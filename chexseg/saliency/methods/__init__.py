"""Saliency methods: one module per method."""
