"""A shard of X-rays, and the files that sources of masks read."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from chexseg.data.boxes import Box
from chexseg.data.masks import encode, write_masks
from chexseg.data.readings import Reading, write_readings
from chexseg.files.store import Store, write_store
from chexseg.mask_sources.source import Shard
from chexseg.models import trained
from tests.unit.mask_sources.sources import CLASSES, IDS, SIZE, SPLITS


@pytest.fixture
def shard(tmp_path):
    """14 X-rays of 20 x 16 pixels; those with an even number have edema, the others atelectasis."""
    with write_store(tmp_path / "images.h5", "images", {"image_size": SIZE}) as store:
        for number, cxr_id in enumerate(IDS):
            store.append(cxr_id, np.full((SIZE, SIZE), number, np.uint8))
    even = np.arange(len(IDS)) % 2 == 0
    index = pd.DataFrame(
        {"split": SPLITS, "height": 20, "width": 16, "Edema": even, "Atelectasis": ~even},
        index=pd.Index(IDS, name="cxr_id"),
    ).astype({"Edema": float, "Atelectasis": float, "height": "Int64", "width": "Int64"})
    return Shard(index, Store([tmp_path / "images.h5"], "images"))


@pytest.fixture
def inputs(tmp_path, shard):
    """Role -> files, for all roles of the sources."""
    drawn = np.zeros((20, 16), bool)
    drawn[2:9, 3:8] = True
    entries = {
        cxr_id: {"Edema": encode(drawn), "Atelectasis": encode(~drawn)} for cxr_id in IDS[4:]
    }
    del entries[IDS[5]]
    write_masks(tmp_path / "masks.json", entries)
    with write_store(tmp_path / "maps.h5", "saliency", {"classes": [*CLASSES]}) as store:
        for cxr_id in IDS:
            store.append(cxr_id, np.eye(4)[None].repeat(2, 0))
    with write_store(tmp_path / "edges.h5", "affinity", {}) as store:
        for cxr_id in IDS:
            store.append(cxr_id, np.zeros((8, 8)))
    box = Box("", "R1", "Edema", 3, 2, 8, 9)
    read = {
        cxr_id: Reading(("R1",), (box._replace(cxr_id=cxr_id),) * (number % 2))
        for number, cxr_id in enumerate(IDS)
    }
    write_readings(tmp_path / "boxes.csv", read)
    files = {
        "boxes": "boxes.csv",
        "masks": "masks.json",
        "saliency": "maps.h5",
        "affinity": "edges.h5",
    }
    read = {role: (tmp_path / name,) for role, name in files.items()}
    return read | {"teachers": (tmp_path / "teacher.pt",), "gate": ()}


@pytest.fixture(autouse=True)
def teacher(monkeypatch):
    """A teacher that is sure of everything, so that the labels alone decide."""

    def load(path):
        model = torch.nn.Conv2d(1, 2, 1)
        torch.nn.init.constant_(model.bias, 50)
        return model, SimpleNamespace(classes=CLASSES, extra={"thresholds": [0.5, 0.5]})

    monkeypatch.setattr(trained, "load_segmenter", load)
