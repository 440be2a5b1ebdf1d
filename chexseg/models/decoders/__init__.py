"""Decoders of segmenters: one module each, named in `chexseg.catalog` under `decoder`."""
