"""Where the files of a study are."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chexseg.config.networks import imagenet_of

if TYPE_CHECKING:
    from chexseg.config.study import Study


class Paths:
    """The paths of a study's files, relative to the folder that Snakemake runs in.

    Args:
        study: the study.

    Attributes:
        results: the study's folder.
        root: the folder of the data: the study's own where it makes a phantom.
        shards: names of the shards of every store.
    """

    def __init__(self, study: Study):
        self._study = study
        self.results = f"results/{study.study}"
        self.root = study.data.root or f"{self.results}/phantom"
        self.shards = [f"{shard:04d}" for shard in range(study.data.index.shards)]

    @cached_property
    def owners(self) -> dict[str, str]:
        """Entry of `masks` -> the entry whose artifacts it uses, of the stages before its masks.

        Entries share them if they are equal in `MaskSource.before_masks`. They are made for the
        entry that the config names or, among copies that a sweep made, for the shortest name.
        """
        made = self._study.unfolded.copies.made
        alike: dict[str, list[str]] = {}
        for name, source in self._study.masks.items():
            if (settings := source.before_masks()) is not None:
                alike.setdefault(repr((source.source, settings)), []).append(name)
        owners = {}
        for names in alike.values():
            owner = min(names, key=lambda name: (("masks", name) in made, len(name), name))
            owners |= dict.fromkeys(names, owner)
        return owners

    @property
    def index(self) -> str:
        """Returns the index of the X-rays."""
        return f"{self.results}/index.csv"

    def data(self, file: str) -> str:
        """Returns the path of one of the data's own files, which the config gives below the root."""
        return f"{self.root}/{file}"

    def own_masks(self) -> list[str]:
        """Returns the files of the masks that the data bring along and that may teach."""
        return [str(path) for path in self._study.data.mask_files(self.root, "validation")[:1]]

    @property
    def boxes(self) -> str:
        """Returns the table of all readers' boxes, of data that have boxes."""
        return f"{self.results}/boxes/boxes.csv"

    @property
    def test_boxes(self) -> str:
        """Returns the masks of the boxes of the test X-rays."""
        return f"{self.results}/boxes/test.json"

    def test_masks(self) -> list[str]:
        """Returns the masks of the test X-rays: the truth, then those of other readers.

        Boxes are the truth if the data have no masks.
        """
        data = self._study.data
        files = [str(path) for path in data.mask_files(self.root, "test")]
        return files or [self.test_boxes] * data.layout_settings.boxes

    def shard(self, store: str, shard: str) -> str:
        """Returns one shard of a store, such as `saliency/gradcam`."""
        return f"{self.results}/{store}/{shard}.h5"

    def store(self, store: str) -> list[str]:
        """Returns all shards of a store."""
        return [self.shard(store, shard) for shard in self.shards]

    def checkpoint(self, section: str, name: str) -> str:
        """Returns the checkpoint of a classifier or a segmenter."""
        return f"{self.results}/{section}/{name}/checkpoint.pt"

    def kept(self, segmenter: str, epoch: int | str) -> str:
        """Returns the checkpoint of a kept epoch of a segmenter."""
        return f"{self.results}/segmenters/{segmenter}/epoch_{epoch}.pt"

    def weights(self, initial_weights: str, network: str, epoch: int | None = None) -> list[str]:
        """Returns the file behind a setting of initial weights; none for 'none'.

        Args:
            initial_weights: 'none', 'imagenet', the name of a classifier or segmenter of the study,
                or a path.
            network: the classifier's architecture, or the segmenter's encoder.
            epoch: which of the segmenter's kept epochs; None: its best.
        """
        if initial_weights == "none":
            return []
        if initial_weights == "imagenet":
            return [f"weights/imagenet/{imagenet_of(network)}.pt"]
        if initial_weights in self._study.classifiers:
            return [self.checkpoint("classifiers", initial_weights)]
        if initial_weights in self._study.segmenters:
            if epoch is not None:
                return [self.kept(initial_weights, epoch)]
            return [self.checkpoint("segmenters", initial_weights)]
        return [initial_weights]
