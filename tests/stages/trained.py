"""The phantom as index and stores, and short trainings on them."""

import csv
from types import SimpleNamespace

from chexseg.config.settings import (
    ClassifierSettings,
    ImageSettings,
    IndexSettings,
    SegmenterSettings,
)
from chexseg.data.layouts.chexpert import COMMON, COMPETITION, PATHOLOGIES
from chexseg.stages import (
    build_index,
    store_images,
    train_classifier,
    train_segmenter,
)
from tests.stages.methods import compute_maps, make
from tests.stages.release_files import release_files

SIZE = 64
SHORT = {"initial_weights": "none", "epochs": 1, "learning_rate": 1e-3, "seed": 3}
CLASSIFIER = {"architecture": "densenet_small", "stride": 16, "batch_size": 8} | SHORT
CLASSIFIER["selection"] = COMPETITION
SEGMENTER = {"architecture": "unet", "decoder_channels": 16, "batch_size": 8} | SHORT
SEGMENTER["selection"] = COMMON


def prepare(phantom, folder, shards):
    """Index and stores of the phantom, in a number of shards."""
    release = release_files(phantom)
    files = SimpleNamespace(index=folder / "index.csv", folder=folder)
    build_index.run(
        **release,
        out=files.index,
        settings=IndexSettings(expert_fraction=0.5, shards=shards),
    )
    settings = ImageSettings(image_size=SIZE)
    files.images = tuple(folder / f"images{shard}.h5" for shard in range(shards))
    for shard, path in enumerate(files.images):
        store_images.run(index=files.index, root=phantom, out=path, settings=settings, shard=shard)
    (drawn,) = release["inputs"]["val_masks"]
    files.expert = tuple(folder / f"expert{shard}.h5" for shard in range(shards))
    for images, out in zip(files.images, files.expert, strict=True):
        make("drawn", files.index, images, out, {"masks": drawn}, classes=PATHOLOGIES)
    return files


def classify(files, name, **changes):
    out, metrics = files.folder / f"{name}.pt", files.folder / f"{name}.csv"
    train_classifier.run(
        index=files.index,
        images=files.images,
        out=out,
        metrics=metrics,
        settings=ClassifierSettings(**(CLASSIFIER | changes)),
    )
    return out


def segment(files, name, *, sources=("expert",), mixing=(), leave_out=(), weights=(), **changes):
    out, metrics = files.folder / f"{name}.pt", files.folder / f"{name}.csv"
    train_segmenter.run(
        index=files.index,
        images=files.images,
        truth=files.expert,
        masks=tuple(path for source in sources for path in getattr(files, source)),
        sources=sources,
        mixing=mixing,
        leave_out=leave_out,
        out=out,
        metrics=metrics,
        settings=SegmenterSettings(**(SEGMENTER | changes)),
        weights=weights,
    )
    return out


BOTH = ("expert", "pseudo")


def saliency_of(files, name, classifiers, **settings):
    outs = []
    for shard, images in enumerate(files.images):
        outs.append(files.folder / f"{name}{shard}.h5")
        settings = {"batch_size": 8} | settings
        compute_maps("gradcam", images, classifiers, outs[-1], PATHOLOGIES, **settings)
    return tuple(outs)


def rows_of(path):
    with path.with_suffix(".csv").open() as file:
        return list(csv.DictReader(file))
