"""The cost model: estimates what each job of a study takes before any such job has run.

The cost of a network is its number of operations (`chexseg.config.networks`) divided by the rate
of the device. Everything else was measured at 320 px and scales with the number of pixels. This
module imports nothing heavy, since the Snakefile imports it in every job.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from chexseg.config.networks import (
    bytes_of_weights,
    classifier_gflop,
    irnet_gflop,
    segmenter_gflop,
)
from chexseg.config.settings import SegmenterSettings
from chexseg.config.study import Study
from chexseg.scheduling.figures import (
    BYTES,
    CHECKPOINTS,
    COMPARE,
    CORE_GFLOPS,
    DRAW,
    EACH,
    FILE,
    HISTOGRAM,
    INDEX,
    IRNET_TRAIN,
    LABEL,
    LEAST,
    MEMORY,
    NATIVE,
    SHORT,
    SIDE,
    SIZE,
    SLACK,
    START,
    TRAIN,
)
from chexseg.scheduling.gpu_rates import GPURates, gpu_rates
from chexseg.scheduling.x_rays import XRays, count_x_rays


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a job.

    Attributes:
        core_seconds: seconds on a CPU, summed over cores.
        gpu_seconds: seconds with a GPU; None for a job that does not need one.
        disk: size of its artifacts in bytes.
    """

    core_seconds: float
    gpu_seconds: float | None = None
    disk: float = 0

    def __add__(self, other: Cost) -> Cost:
        gpu = (self.gpu_seconds or 0) + (other.gpu_seconds or 0)
        needs_gpu = self.gpu_seconds is not None or other.gpu_seconds is not None
        core = self.core_seconds + other.core_seconds
        return Cost(core, gpu if needs_gpu else None, self.disk + other.disk)

    def seconds(self, gpus: int = 0) -> float:
        """Returns the wall-clock seconds with this many GPUs; with 0, on one core."""
        on_gpus = gpus and self.gpu_seconds is not None
        return START + (self.gpu_seconds / gpus if on_gpus else self.core_seconds)


class CostModel:
    """Estimates the cost of the jobs of a study; each rule has a method of the same name.

    Args:
        study: the study.
        x_rays: its numbers of X-rays; None counts them in its tables.
        rates: of a GPU; None: the measured ones, if there are any.
    """

    def __init__(self, study: Study, x_rays: XRays | None = None, rates: GPURates | None = None):
        self.study, self._given, self.rates = study, x_rays, rates or gpu_rates()

    @cached_property
    def x_rays(self) -> XRays:
        """Numbers of X-rays that take part."""
        return self._given or count_x_rays(self.study)

    def of(self, rule: str, wildcards: Mapping[str, str]) -> Cost:
        """Returns the cost of a job of a rule, which an importer may have given a prefix."""
        known = [name for name in dir(self) if rule == name or rule.endswith(f"_{name}")]
        return getattr(self, max(known, key=len))(**dict(wildcards.items()))

    def minutes(self, rule: str, wildcards: Mapping[str, str]) -> int:
        """Returns a generous time limit for a job, assuming a GPU if it needs one."""
        return LEAST + math.ceil(SLACK * self.of(rule, wildcards).seconds(gpus=1) / 60)

    def megabytes(self, least: int) -> int:
        """Returns the memory in MB of a job that needs `least` MB in a small study."""
        return least + round(MEMORY * self.x_rays.number / 1e6)

    # ---- Data ------------------------------------------------------------------------------
    def make_phantom(self) -> Cost:
        return self._files(DRAW)

    def check_data(self) -> Cost:
        return self._files(FILE, 1 + self.x_rays.left_out / max(1, self.x_rays.number))

    def build_index(self) -> Cost:
        return self._files(FILE, disk=INDEX * self.x_rays.number)

    def list_boxes(self) -> Cost:
        return self._files(FILE)

    def store_images(self, shard: str) -> Cost:
        part = 1 / self.study.data.index.shards
        return self._files(FILE, part, disk=part * self._bytes("images"))

    # ---- Classifiers and their maps --------------------------------------------------------
    def fetch_weights(self, architecture: str) -> Cost:
        return Cost(SHORT, disk=bytes_of_weights(architecture))

    def train_classifier(self, classifier: str) -> Cost:
        entry, n = self.study.classifiers[classifier], self.x_rays
        train = min(n.train, entry.train_images or n.train)
        passes = entry.epochs * (TRAIN * train + n.validation)
        gflop = classifier_gflop(entry.architecture, entry.stride)
        return self._network("train-classifier", gflop * passes, disk=CHECKPOINTS["classifier"])

    def compute_saliency(self, saliency: str, shard: str) -> Cost:
        maps = self.study.saliency[saliency]
        entries = [self.study.classifiers[name] for name in maps.classifiers]
        gflop = sum(classifier_gflop(entry.architecture, entry.stride) for entry in entries)
        gflop *= maps.forward_passes(len(maps.classes_of(self.study)))
        gflop *= (1 + maps.flip) * sum(scale**2 for scale in maps.scales)
        finer = (32 / min(maps.pixels_per_cell(entry.stride) for entry in entries)) ** 2
        n = self._in_shard(self.x_rays.number)
        disk = n * BYTES["saliency"] * self._area * finer
        return self._network("compute-saliency", gflop * n, extra=EACH * n, disk=disk)

    # ---- Masks -----------------------------------------------------------------------------
    def make_masks(self, masks: str, shard: str) -> Cost:
        source = self.study.masks[masks]
        number = self.x_rays.number if source.made else self.x_rays.validation
        n, bytes_each = self._in_shard(number), BYTES[self._kind(masks)] * self._area
        if source.gpu:
            networks = self._network("predict-masks", source.gflop(self.study) * n)
            return (
                self._on_pixels("make-masks", source.core_seconds, n, disk=n * bytes_each)
                + networks
            )
        area = self._area if source.made else self._file * len(self.study.data.pathologies)
        return Cost(n * (EACH + source.core_seconds * area), disk=n * bytes_each)

    make_masks_on_gpu = make_masks

    def label_affinity(self, masks: str, shard: str) -> Cost:
        n = self._in_shard(self._train_images(masks))
        return self._on_pixels("label-affinity", LABEL, n, disk=n * BYTES["labels"] * self._area)

    def train_irnet(self, masks: str) -> Cost:
        entry, n = self.study.masks[masks], self._train_images(masks)
        passes = n * (entry.training.epochs * IRNET_TRAIN + 1)  # finally, the mean displacement
        gflop = irnet_gflop(entry.backbone_architecture)
        work = {"extra": EACH * n, "disk": CHECKPOINTS["irnet"]}
        return self._network("train-irnet", gflop * passes, **work)

    def compute_affinity(self, masks: str, shard: str) -> Cost:
        n = self._in_shard(self.x_rays.number)
        gflop = 2 * irnet_gflop(
            self.study.masks[masks].backbone_architecture
        )  # also on the mirrored image
        disk = self._in_shard(self._bytes("affinity"))
        return self._network("compute-affinity", gflop * n, extra=EACH * n, disk=disk)

    def score_masks(self) -> Cost:
        sources = len(self.study.masks) + len(self.study.saliency)
        return Cost(SHORT + self.x_rays.validation * sources * COMPARE * self._area)

    # ---- Segmenters ------------------------------------------------------------------------
    def train_segmenter(self, segmenter: str) -> Cost:
        entry = self.study.segmenters[segmenter]
        expert = round(self.study.data.index.expert_fraction * self.x_rays.validation)
        samples = sum(
            self.study.masks[name].teaching(self.study, self.x_rays.train, self.x_rays.validation)
            for name in entry.mixture()[0]
        )
        samples = entry.samples_per_epoch or samples
        steps = TRAIN * samples * (2 if entry.consistency > 0 else 1)
        gflop = self._segmenter(entry) * entry.epochs * (steps + self.x_rays.validation - expert)
        disk = CHECKPOINTS["segmenter"] * (1 + len(entry.keep_epochs))
        return self._network("train-segmenter", gflop, disk=disk)

    def extract_epoch(self, segmenter: str, epoch: str) -> Cost:
        return Cost(SHORT, disk=CHECKPOINTS["segmenter"])

    def predict_masks(self, segmenter: str, native: float = NATIVE, disk: float = 0) -> Cost:
        n = self.x_rays.test
        gflop = self._segmenter(self.study.segmenters[segmenter])
        extra = EACH + native * self._file * len(self.study.data.pathologies)
        return self._network("predict-masks", gflop * n, extra=n * extra, disk=n * disk)

    def compute_histograms(self, segmenter: str) -> Cost:
        return self.predict_masks(segmenter, HISTOGRAM, BYTES["histograms"])

    # ---- Scores ----------------------------------------------------------------------------
    def count_overlaps(self, **_: str) -> Cost:
        return Cost(SHORT)

    list_agreement = list_runs = list_trainings = score_runs = average_seeds = count_overlaps
    compare_runs = draw_figure = write_table = count_overlaps

    # ---- Parts -----------------------------------------------------------------------------
    @cached_property
    def _area(self) -> float:
        """Pixels of a stored X-ray, relative to the measured size."""
        return (self.study.data.images.image_size / SIZE) ** 2

    @cached_property
    def _file(self) -> float:
        """Pixels of an X-ray file, relative to the original size."""
        return (self.study.phantom.longest_side / SIDE) ** 2 if self.study.phantom else 1

    def _train_images(self, masks: str) -> int:
        """Number of train X-rays from which a source makes masks."""
        return min(self.x_rays.train, self.study.masks[masks].train_images or self.x_rays.train)

    def _kind(self, masks: str) -> str:
        """Returns which of BYTES the masks of a source take."""
        source = self.study.masks[masks]
        if getattr(source, "soft", False):  # not all sources have this setting
            return "soft_masks"
        return "partly_known_masks" if source.graded else "masks"

    def _in_shard(self, number: float) -> float:
        return number / self.study.data.index.shards

    def _bytes(self, store: str) -> float:
        return self.x_rays.number * BYTES[store] * self._area

    def _files(self, seconds: float, part: float = 1, disk: float = 0) -> Cost:
        return Cost(part * self.x_rays.number * (EACH + seconds * self._file), disk=disk)

    def _segmenter(self, entry: SegmenterSettings) -> float:
        return segmenter_gflop(entry.encoder, entry.architecture)

    def _network(self, work: str, gflop: float, *, extra: float = 0, disk: float = 0) -> Cost:
        """Returns the cost of `gflop` at 320 px, plus core seconds that a GPU cannot replace."""
        gflop *= self._area
        on_gpu = gflop / self.rates.of_network(work)
        return Cost(gflop / CORE_GFLOPS + extra, on_gpu + extra, disk)

    def _on_pixels(self, work: str, seconds: float, n: float, disk: float) -> Cost:
        """Returns the cost of work on all pixels of `n` X-rays that a GPU can do."""
        on_core = n * seconds * self._area
        on_gpu = on_core / self.rates.of_pixels(work)
        return Cost(on_core + EACH * n, on_gpu + EACH * n, disk)
