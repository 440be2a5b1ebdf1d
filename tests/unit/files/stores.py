"""Small stores of every kind."""

import numpy as np

from chexseg.files.store import KINDS, write_store

SHAPES = {
    "images": (20, 20),
    "masks": (3, 20, 20),
    "mask_levels": (3, 20, 20),
    "saliency": (3, 5, 5),
    "affinity_labels": (3, 5, 5),
    "affinity": (5, 5),
    "histograms": (3, 2, 7),
}


def items_of(kind, number, seed=0):
    rng = np.random.default_rng(seed)
    shape = (number, *SHAPES[kind])
    if kind == "masks":
        return rng.random(shape) > 0.5
    if KINDS[kind].dtype == "float16":
        return rng.random(shape).astype(np.float16)
    return rng.integers(0, 256, shape, dtype=KINDS[kind].dtype)


def meta_of(kind):
    return {"columns": 20} if kind == "masks" else {"of": kind}


def write(path, kind, items, start=0, meta=None):
    with write_store(path, kind, meta_of(kind) if meta is None else meta) as store:
        for number, item in enumerate(items):
            store.append(f"cxr{start + number}", item)
    return path
