"""Fine-tuning: one module for each way to choose what of a segmenter is trained.

A way is a function that takes a segmenter with its first weights, changes it in place, and returns
what is trained: pairs of parameters and the factor of their learning rate. It takes settings of the
segmenter as keyword-only parameters. The catalog lists them under `fine_tuning`.
"""
