"""What every source of masks has: an entry of the config, the files it needs, and its masks.

A new source is one file with a subclass of `MaskSource`, and one line in `chexseg.catalog`. The
Snakefile reads these files in every job, so torch, numpy and pandas are imported where masks are
made, not at the top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from chexseg.config.flags import command_settings
from chexseg.config.paths import Paths
from chexseg.config.settings import Name, Reference, Settings
from chexseg.files.artifacts import Inputs
from chexseg.mask_sources.gate import GateSettings, gate_of, partly_known, value_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

    from chexseg.config.study import Study
    from chexseg.files.store import Store

Saliency = Annotated[Name, Reference("saliency")]
"""The name of a saliency entry."""


Misfit = tuple[tuple[str | int, ...], str, str, str]
"""Place in the entry, found, expected and remedy of what is wrong."""

BATCH = 32
"""X-rays whose masks are made at once."""


class MaskSource(Settings):
    """An entry of the section `masks`.

    A subclass narrows `source` to its own name, and adds its settings and references. It declares
    the roles of the files that it reads, and says in `inputs` which they are for a shard.

    Attributes:
        source: name of the source.
        images: number of train X-rays that the masks are made of.
        roles: role -> what its files are. Each is a flag of `chexseg make-masks`, such as
            `--saliency`.
        made: whether the workflow makes the masks, and people have not drawn them.
        gpu: whether masks are made on a GPU where there is one.
        core_seconds: what the masks of an X-ray of 320 px take on a core, without networks, for the
            cost model.
    """

    source: str
    images: int | None = Field(
        None,
        ge=1,
        description="Make masks of at most this many train X-rays, chosen by a hash; null: all.",
    )
    roles: ClassVar[Mapping[str, str]] = {}
    made: ClassVar[bool] = True
    gpu: ClassVar[bool] = False
    core_seconds: ClassVar[float] = 0.01

    @property
    def train_images(self) -> int | None:
        """The number of train X-rays that `Shard` and stages of the source take; None: all."""
        return self.images

    def inputs(self, paths: Paths, name: str, shard: str) -> dict[str, list[str]]:
        """Returns the files that a shard of masks is made from, by role.

        Args:
            paths: of the study.
            name: of this entry.
            shard: of the store.
        """
        raise NotImplementedError

    def before_masks(self) -> Mapping[str, Any] | None:
        """Returns the settings on which the source's own stages before `make_masks` depend.

        Entries in which they are equal share the artifacts of these stages: see `Paths.owners`.
        None: the source has no such stages.
        """
        return None

    def classes_of(self, study: Study) -> tuple[str, ...]:
        """Returns the channels of the masks."""
        return study.data.pathologies

    def find_misfits(self, study: Study) -> Iterator[Misfit]:
        """Yields what does not fit to other entries; names of entries are checked elsewhere."""
        yield from ()

    def voters(self) -> tuple[str, ...]:
        """Returns the names of what votes on each mask; none: nothing does.

        The notes of a source with voters are those of `chexseg.mask_sources.votes`.
        """
        return ()

    def gflop(self, study: Study) -> float:
        """Returns billions of operations of networks for an X-ray of 320 px, for the cost model."""
        return 0

    @property
    def graded(self) -> bool:
        """Whether masks are levels: soft, or with pixels of which nothing is known."""
        return False

    def teaching(self, study: Study, train: int, validation: int) -> int:
        """Estimates how many X-rays teach with these masks, for the cost model.

        Args:
            study: the study.
            train: number of train X-rays.
            validation: number of validation X-rays, those that teach included.
        """
        return min(train, self.images or train)

    def scored_on(self, study: Study) -> tuple[str, ...]:
        """Returns the splits on which its masks are scored against the experts'; none: nowhere.

        A source that learnt from experts' masks of the split `expert`, such as a segmenter, must
        leave this split out.

        Args:
            study: the study.
        """
        return ("expert", "validation")

    @classmethod
    def command_settings(cls) -> type[Settings]:
        """Returns the model of the settings that `make_masks` is given."""
        return command_settings(cls, "source", "images")

    def settings(self, study: Study) -> Settings:
        """Returns the settings that `make_masks` is given."""
        model = self.command_settings()
        return model(**{name: getattr(self, name) for name in model.model_fields})

    @staticmethod
    def make_masks(settings: Any, inputs: Inputs, shard: Shard) -> Masks:
        """Makes the masks of a shard.

        Args:
            settings: an instance of `command_settings()`.
            inputs: the files of `MaskSource.inputs`, by role.
            shard: the X-rays.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Masks:
    """The masks of a shard.

    Attributes:
        classes: names of the channels.
        splits: the splits whose X-rays may teach a segmenter with these masks. A source may make
            masks of other X-rays too: of `validation`, to select by them, or to look at them.
        items: (cxr_id, masks [C, S, S]) of each X-ray that has masks: bool, or uint8 levels if
            they are graded (see `chexseg.data.levels`).
        graded: whether they are levels.
        soft: whether levels are probabilities, and not only sure, surely not, and not known.
        notes: returns what else the store tells of these X-rays, once all items are made.
    """

    classes: tuple[str, ...]
    splits: tuple[str, ...]
    items: Iterator[tuple[str, np.ndarray]]
    graded: bool = False
    soft: bool = False
    notes: Callable[[], dict[str, Any]] = dict


@dataclass
class Shard:
    """The X-rays of a shard.

    Attributes:
        index: of the study, all of it; cxr_id labels the rows.
        images: the shard of the image store.
        threads: CPU threads.
        train_images: number of train X-rays that have masks; None: all.
    """

    index: pd.DataFrame
    images: Store
    threads: int = 1
    train_images: int | None = None

    @cached_property
    def ids(self) -> list[str]:
        """The X-rays of the shard, in the order of the image store.

        Raises:
            InputError: there are fewer train X-rays than `train_images`.
        """
        if self.train_images is None:
            return self.images.ids
        from chexseg.data.splits import first_of_train

        train = self.index.index[self.index["split"] == "train"]
        left_out = set(train) - set(first_of_train(train, self.train_images))
        return [cxr_id for cxr_id in self.images.ids if cxr_id not in left_out]

    @property
    def size(self) -> int:
        """Side of the images in pixels, and of the masks."""
        return self.images.meta["image_size"]

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the index of these X-rays."""
        return self.index.loc[self.ids]

    @cached_property
    def device(self) -> torch.device:
        """The GPU, or the CPU if there is none.

        Raises:
            InputError: there is no GPU where one is required; see `chexseg.inference.device`.
        """
        from chexseg.inference.batching import device_for_inference

        return device_for_inference(self.threads)

    def masks_by_label(
        self,
        classes: tuple[str, ...],
        masks_of: Callable[[list[str], torch.Tensor], torch.Tensor],
        gate: GateSettings,
        *,
        graded: bool | None = None,
    ) -> Masks:
        """Makes masks for the classes that each X-ray is labelled with, batch by batch.

        They teach with the X-rays of the split `train`.

        Args:
            classes: names of the channels.
            masks_of: (cxr_ids, bool [B, C]: which classes may have masks) -> masks
                [B, C, S, S]: bool, or levels if `gate` has a band between two cuts.
            gate: what the labels say.
            graded: whether masks are levels; None: if `gate` says so.
        """
        import numpy as np
        import torch

        from chexseg.data.index import class_labels
        from chexseg.data.levels import levels_of
        from chexseg.files.progress import progress
        from chexseg.files.store_format import UNKNOWN

        values = value_of(gate.uncertain), value_of(gate.blank)
        gates = gate_of(class_labels(self.rows, classes), *values)
        graded = partly_known(gate) if graded is None else graded

        def items() -> Iterator[tuple[str, np.ndarray]]:
            starts = range(0, len(self.ids), BATCH)
            for start in progress(starts, "masks", len(starts)):
                batch, opened = self.ids[start : start + BATCH], gates[start : start + BATCH]
                made = masks_of(batch, torch.from_numpy(opened > 0)).cpu().numpy()
                if graded:
                    made = levels_of(made) if made.dtype == bool else made.copy()
                    made[np.isnan(opened)] = UNKNOWN
                yield from zip(batch, made, strict=True)

        return Masks(classes, ("train",), items(), graded=graded)
