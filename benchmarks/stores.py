"""The stores: their bytes, random reads against JPEGs, and a training that reads from them.

Bytes go to benchmarks/results/stores.csv. Everything is read once before it is timed, so files
are in the page cache: what is compared is the work of decoding, not the disk. Ours and the peer
take turns; seconds are medians.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from affinity import in_turns
from comparison import comparison
from PIL import Image
from small_study import SIZE, Study, core_seconds, read_images
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from chexseg.config.settings import ClassifierSettings
from chexseg.data.images import Letterbox
from chexseg.data.layouts.chexpert import FINDINGS
from chexseg.files.store import Store, write_store
from chexseg.inference.batching import Unlabelled, batch_of
from chexseg.models.trained import classifier_of
from chexseg.stages.train_classifier import Classification
from chexseg.training.datasets import Rows, Source, Supervised
from chexseg.training.loop import fit, start
from chexseg.training.sampling import shuffled
from chexseg.training.state import StateFile
from chexseg.training.task import Task

OUT = Path("benchmarks/results/stores.csv")
PUBLISHED_BYTES = 5_300_000
BYTES_BAR = 125_000
TRAIN = 16
READS = 256
WORKERS = 2
REPEATS = 5
NATIVE = (390, 320)
FULL = (2828, 2320)
QUALITY = 90
READ_BAR, TRAIN_BAR = 1.0, 0.9
FINER = "saliency, 16 x 16"
STORES = {
    "images": ("images.h5", "images"),
    "saliency, 10 x 10": ("saliency.h5", "saliency"),
    FINER: ("saliency16.h5", "saliency"),
    "affinity labels": ("labels.h5", "affinity_labels"),
    "affinity": ("affinity.h5", "affinity"),
    "masks, threshold": ("threshold.h5", "masks"),
    "masks, irnet": ("irnet.h5", "masks"),
}


def store_bytes(study: Study) -> pd.DataFrame:
    """Returns bytes per X-ray of every store at 320 px, and the share of each."""
    study.write_stores()
    folder = study.folder
    maps = Store([folder / "saliency.h5"], "saliency")
    finer = nn.functional.interpolate(batch_of(maps, maps.ids), size=(16, 16), mode="bilinear")
    with write_store(folder / STORES[FINER][0], "saliency", maps.meta) as store:
        for cxr_id, item in zip(maps.ids, finer.numpy(), strict=True):
            store.append(cxr_id, item)
    sizes = {}
    for name, (file, kind) in STORES.items():
        sizes[name] = (folder / file).stat().st_size / len(Store([folder / file], kind))
    sizes["all"] = sum(sizes.values())
    table = pd.DataFrame(sizes.items(), columns=["store", "bytes_per_xray"])
    table["share"] = (table["bytes_per_xray"] / sizes["all"]).round(4)
    return table.round({"bytes_per_xray": 0}).astype({"bytes_per_xray": int})


class Jpegs(Dataset):
    """X-rays decoded from JPEG and letterboxed: items as those of `Unlabelled`."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Tensor:
        with Image.open(self.paths[number]) as image:
            width, height = image.size
            image.draft("L", (2 * SIZE, 2 * SIZE))
            return torch.from_numpy(Letterbox(height, width, SIZE).image(image))[None]


def compare_reads(folder: Path, images: Sequence[np.ndarray], native: tuple[int, int]) -> dict:
    """Returns one row: seconds per X-ray of random reads, through a DataLoader with workers."""
    files = folder / f"jpegs{native[0]}"
    files.mkdir()
    distinct = []
    for number, image in enumerate(images):
        distinct.append(files / f"{number}.jpg")
        Image.fromarray(image).resize(native[::-1]).save(distinct[-1], quality=QUALITY)
    jpegs = Jpegs([distinct[number % len(distinct)] for number in range(READS)])
    with write_store(files / "images.h5", "images", {"image_size": SIZE}) as writer:
        for number in range(READS):
            writer.append(str(number), jpegs[number].numpy()[0])
    store = Store([files / "images.h5"], "images")
    ours, peer = (
        DataLoader(
            dataset,
            batch_size=16,
            shuffle=True,
            num_workers=WORKERS,
            persistent_workers=True,
            generator=torch.Generator().manual_seed(0),
        )
        for dataset in (Unlabelled(store, store.ids), jpegs)
    )
    # Generators are equal, so both show the same X-rays; this pass also starts the workers.
    pairs = zip(ours, peer, strict=True)
    difference = max(int((a.int() - b.int()).abs().max()) for a, b in pairs)
    ours_seconds, peer_seconds = in_turns(lambda: list(ours), lambda: list(peer), REPEATS)
    return comparison(
        f"random reads, {SIZE} px, batches of 16, DataLoader with {WORKERS} workers, per X-ray",
        f"Pillow, JPEGs of {native[0]} x {native[1]} px, quality {QUALITY}, letterboxed",
        ours_seconds=ours_seconds / READS,
        peer_seconds=peer_seconds / READS,
        difference=difference,
        most_difference=0,
        least_ratio=READ_BAR,
    )


class Unjudged(Classification):
    """A classifier's training without validation."""

    def __init__(self, settings: ClassifierSettings):
        Task.__init__(self, classifier_of(settings, len(FINDINGS)))
        self.settings = settings

    def validate(self) -> tuple[dict, dict]:
        return {}, {}


def train_seconds(dataset: Dataset, settings: ClassifierSettings, out: Path) -> tuple[float, float]:
    """Trains a classifier for an epoch as stage `train-classifier` does, without validation.

    Returns:
        The core seconds of the training, and its mean loss. Without a GPU the process that trains
        reads too, so its core seconds hold all of the work, and none of what others do meanwhile:
        the work of reading is too small to be seen in seconds on a machine that is shared.
    """
    fabric = start(settings)
    task = Unjudged(settings)
    before = core_seconds()
    with contextlib.redirect_stdout(io.StringIO()):
        fit(
            fabric,
            task,
            dataset,
            shuffled(len(dataset)),
            settings,
            metrics=out,
            file=StateFile(None, 0, "train-classifier", settings, inputs=()),
        )
    return core_seconds() - before, float(pd.read_csv(out)["loss"].iloc[0])


def compare_trainings(
    folder: Path, images: Sequence[np.ndarray], architecture: str, size: int, x_rays: int
) -> dict:
    """Returns one row: core seconds per X-ray of a training from the store, and from memory."""
    settings = ClassifierSettings(
        architecture=architecture, epochs=1, batch_size=16, initial_weights="none"
    )
    path = folder / f"train{size}.h5"
    with write_store(path, "images", {"image_size": size}) as writer:
        for number in range(x_rays):
            image = Image.fromarray(images[number % len(images)]).resize((size, size))
            writer.append(str(number), np.asarray(image))
    store = Store([path], "images")
    labels = np.random.default_rng(0).integers(0, 2, (x_rays, len(FINDINGS)))
    labels = labels.astype(np.float32)
    stored = Supervised(store, Source("labels", store.ids, {"labels": Rows(store.ids, labels)}))
    pairs = zip(batch_of(store, store.ids)[:, None], torch.from_numpy(labels), strict=True)
    in_memory = [{"image": image, "labels": label} for image, label in pairs]
    runs = [
        [train_seconds(dataset, settings, folder / "m.csv") for dataset in (stored, in_memory)]
        for _ in range(1 + REPEATS)
    ]
    ours_seconds, peer_seconds = (
        median(run[which][0] for run in runs[1:]) / x_rays for which in (0, 1)
    )
    return comparison(
        f"training of {architecture}, {size} px, batches of 16, from the store, "
        "core seconds per X-ray",
        "the same from tensors in memory; max_abs_diff is that of the losses",
        ours_seconds=ours_seconds,
        peer_seconds=peer_seconds,
        difference=max(abs(ours[1] - peer[1]) for ours, peer in runs),
        most_difference=0,
        least_ratio=TRAIN_BAR,
    )


def rows() -> list[dict]:
    """Returns one row per comparison of seconds, and prints and writes the table of bytes."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            study = Study(folder, TRAIN, threads=1)
            table = store_bytes(study)
            OUT.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(OUT, index=False)
            total = table["bytes_per_xray"].iloc[-1]
            print(table.to_string(index=False))
            print(
                f"published code: {PUBLISHED_BYTES} bytes, {PUBLISHED_BYTES / total:.1f} times as "
                f"many; bar: at most {BYTES_BAR}\n"
            )
            images = list(read_images(study.images).values())
            return [
                compare_reads(folder, images, NATIVE),
                compare_reads(folder, images, FULL),
                compare_trainings(folder, images, "resnet18", SIZE, 32),
                compare_trainings(folder, images, "densenet_small", 64, 256),
            ]
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


if __name__ == "__main__":
    for row in rows():
        print(row)
