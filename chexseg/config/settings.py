"""What can be set: one model for each stage that has settings.

These models are the only place where a setting is named, explained, bounded and given its
default. The config file (`chexseg.config.study`), its JSON schema and the command line flags are all
made from them. They import nothing heavy, since the workflow reads them in every job.

A method that has settings of its own (a source of masks, a way to compute saliency) declares them
in its own file, as a subclass of `Settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StrictBool, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from chexseg.catalog import OF_PROBABILITIES, SELECTING, names
from chexseg.config.base import Settings, misfit
from chexseg.config.methods import not_taken
from chexseg.config.networks import backbones, decoders_of, nearest_encoder
from chexseg.config.transfer import TransferSettings

Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""numpy's own generator takes no more, and it is seeded beside torch's."""
Architecture = Literal[names("architecture")]
Backbone = Literal[backbones()]
Decoder = Literal[names("decoder")]
Stride = Literal[32, 16, 8, 4]
WORDS = ("none", "imagenet")
"""What initial weights may be beside a path and a name."""
NUMBER, WORD = "a number", "a word"
"""Tags of the forms of a value that may be either. No key or name has a space in it."""
Policy = Literal["ones", "zeros", "ignore", "multiclass"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Metric = Literal[names("metric")]
MaskMetric = Literal[tuple(name for name in names("metric") if name not in OF_PROBABILITIES)]
SelectionMetric = Literal[SELECTING]
Loss = Literal[names("loss")]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""What an entry of the config may be called: its name is the name of a folder."""
# A command takes '-x' for a flag, and Snakemake '{x}' for a wildcard.
Folder = Annotated[str, Field(pattern=r"^[^-{}\n\r][^{}\n\r]*$")]
File = Annotated[str, Field(pattern=r"^[^-/{}\n\r][^{}\n\r]*$")]
"""Path of a file, relative to the data folder; of some, the path of a folder of files."""


@dataclass(frozen=True)
class Reference:
    """Marks a field that names an entry of a section, or several; see `chexseg.config.links`.

    Attributes:
        section: of the entry.
        swept: whether a sweep that copies the entry makes this field name the copy.
    """

    section: str
    swept: bool = True


@dataclass(frozen=True)
class InitialWeights:
    """Marks a field that says where first weights come from: 'none', 'imagenet', a path, or a name.

    Attributes:
        network: the field beside it that holds the network's architecture.
        sections: those whose entries it may name: classifiers of that architecture, segmenters.
    """

    network: str
    sections: tuple[str, ...] = ("classifiers",)


class PhantomSettings(Settings):
    """The phantom data set: synthetic chest X-rays in the layouts of CheXpert and CheXlocalize.

    To segment its organs, set `data.val_masks` and `data.test_masks` to
    `anatomy/segmentations_val.json` and `anatomy/segmentations_test.json`, and `data.pathologies` to
    some of Left Lung, Right Lung, Heart, Ribs, Spine, Clavicles and Diaphragm.
    """

    train_images: int = Field(700, ge=1, le=60_000, description="Frontal X-rays with labels only.")
    # Of one person there are up to three, and it takes two persons to divide them.
    val_images: int = Field(
        60, ge=4, le=10_000, description="Frontal validation X-rays, with masks."
    )
    test_images: int = Field(
        120, ge=1, le=10_000, description="Frontal test X-rays, with masks of two readers."
    )
    longest_side: int = Field(160, ge=48, le=4096, description="Mean longest side in pixels.")
    lesion_scale: float = Field(
        1.0, ge=0.5, le=3, description="Enlarges lesions, for studies at low resolution."
    )
    label_noise: Fraction = Field(0.03, description="Chance that a train label is wrong.")
    uncertain: Fraction = Field(0.05, description="Chance that a train label is -1.")
    blank: Fraction = Field(0.5, description="Chance that a negative train label is blank.")
    lateral: Fraction = Field(0.1, description="Chance that a train study has a lateral view too.")
    seed: Seed = Field(0, description="Seed of the whole data set.")


class IndexSettings(Settings):
    """Which X-rays take part, and in which split."""

    expert_fraction: float = Field(
        0.79,
        gt=0,
        lt=1,
        description="Share of the validation X-rays whose masks train ('expert'); the others "
        "select thresholds and epochs ('validation'). CheXseg: 147 of 187 with masks.",
    )
    shards: int = Field(1, ge=1, le=4096, description="Files into which each store is split.")
    max_train_images: int | None = Field(
        None, ge=1, description="Use about this many train X-rays: whole patients, chosen by seed."
    )
    assume_frontal: StrictBool = Field(
        True,
        description="An X-ray whose view neither the table nor the file name says counts as frontal, "
        "with a warning in the data report; false: it is an error.",
    )
    seed: Seed = Field(0, description="Seed of the split of the validation patients.")


class ImageSettings(Settings):
    """How X-rays are stored."""

    image_size: int = Field(
        320,
        ge=32,
        le=2048,
        multiple_of=32,
        description="Side of the letterboxed square, in pixels.",
    )


class TrainingSettings(Settings):
    """What every training has."""

    epochs: int = Field(3, ge=1, description="Passes over the training samples.")
    batch_size: int = Field(16, ge=2, description="X-rays in a step, over all GPUs that share it.")
    learning_rate: float = Field(1e-4, gt=0, description="Highest learning rate.")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="Adam or SGD.")
    momentum: float = Field(0.0, ge=0, lt=1, description="Momentum of SGD; PSSL: 0.9.")
    schedule: Literal["constant", "onecycle", "polynomial"] = Field(
        "constant", description="Course of the learning rate over the whole training."
    )
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty of the optimizer.")
    augmentation: Fraction = Field(
        0.5,
        description="Strength of random shifts, rotations, scales and exposures; 0 for none.",
    )
    gradient_accumulation: int = Field(
        1,
        ge=1,
        description="Parts of a batch, computed one after the other to need less memory. "
        "BatchNorm and losses see one part at a time.",
    )
    precision: Precision = Field("32-true", description="Number format of the computations.")
    seed: Seed = Field(0, description="Seed of initialisation, order and augmentation.")

    def unused(self) -> set[str]:
        return super().unused() | ({"momentum"} if self.optimizer == "adam" else set())


class ClassifierSettings(TrainingSettings):
    """A multi-label classifier of the findings of the data."""

    architecture: Architecture = Field("densenet121", description="The network.")
    stride: Stride = Field(
        32, description="Pixels of the X-ray per cell of the last features: the CAM's grid."
    )
    dilate: StrictBool = Field(
        False, description="Dilate the convolutions behind a dropped stride."
    )
    initial_weights: Annotated[str, InitialWeights("architecture", sections=())] = Field(
        "imagenet", description="'none', 'imagenet' or the path of a checkpoint."
    )
    uncertain: Policy = Field("ones", description="What the label -1 stands for in training.")
    blank: Literal["zeros", "ignore"] = Field("zeros", description="What a blank label means.")
    train_images: int | None = Field(
        None,
        ge=1,
        description="Learn from at most this many train X-rays, chosen by a hash; null: all.",
    )
    selection: tuple[str, ...] = Field(
        (),
        description="Findings whose mean validation AUROC selects the epoch; an empty list: all. "
        "Absent from a config: those of the data's layout.",
    )

    def unused(self) -> set[str]:
        # At stride 32, no stride is dropped.
        return super().unused() | ({"dilate"} if self.stride == 32 else set())


class SegmenterSettings(TransferSettings, TrainingSettings):
    """A multi-label segmenter."""

    epochs: int = Field(20, ge=1, description="Passes over the training samples.")
    batch_size: int = Field(8, ge=2, description="X-rays in a step, over all GPUs that share it.")
    architecture: Decoder = Field(
        "deeplabv3plus", description="The decoder (segmentation-models-pytorch)."
    )
    encoder: str = Field(
        "resnet18",
        description="The encoder: smp's name, or 'tu-' and timm's; see chexseg/models/encoders.csv.",
    )
    decoder_channels: int = Field(256, ge=16, description="Width of the decoder.")
    initial_weights: Annotated[str, InitialWeights("encoder", ("classifiers", "segmenters"))] = (
        Field(
            "imagenet",
            description="'none', 'imagenet', a path, or a classifier or segmenter of the study by name.",
        )
    )
    samples_per_epoch: int | None = Field(
        None, ge=1, description="Samples drawn in an epoch; none: the X-rays that have masks."
    )
    selection: tuple[str, ...] = Field(
        (),
        description="Pathologies whose mean score on validation selects the epoch; an empty list: "
        "all. Absent from a config: those of the data's layout.",
    )
    selection_metric: SelectionMetric = Field(
        "iou_dataset", description="The score on validation that selects thresholds and epoch."
    )
    loss: Loss = Field("dice", description="How masks are compared with what is predicted.")
    background_weight: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Weight of a background pixel in cross_entropy; a pixel of a finding has 1. PSSL: 0.1.",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        description="Divides the logits in the loss, for masks of all sources; for a student of soft masks, "
        "the temperature of its teachers.",
    )
    consistency: float = Field(
        0.0,
        ge=0,
        description="Weight of the loss between an X-ray and a strongly changed version of it; 0: none.",
    )
    confidence: float = Field(
        0.95, ge=0.5, lt=1, description="Probability from which a pixel counts for consistency."
    )

    def unused(self) -> set[str]:
        unused = super().unused() | not_taken("loss", self.loss)
        unused |= {"confidence"} if self.consistency == 0 else set()
        return unused | ({"parts"} if self.initial_weights in WORDS else set())

    @field_validator("encoder")
    @classmethod
    def _is_taken(cls, encoder: str, info: ValidationInfo) -> str:
        decoders = decoders_of(encoder)
        if not decoders:
            expected = f"an encoder of smp or timm, such as {nearest_encoder(encoder)!r}"
            raise PydanticCustomError("literal_error", expected)
        decoder = info.data.get("architecture", decoders[0])
        if decoder not in decoders:
            found, expected = f"{encoder} with {decoder}", f"a decoder of {', '.join(decoders)}"
            raise misfit(found, expected, "Set 'architecture' to one of them, or change 'encoder'.")
        return encoder


class PredictionSettings(Settings):
    """Masks of the test X-rays."""

    batch_size: int = Field(32, ge=1, description="X-rays in a forward pass.")


class MaskScoreSettings(Settings):
    """Scores of masks and their confidence intervals."""

    metrics: tuple[MaskMetric, ...] = Field(
        ("iou_dataset", "iou_image"), min_length=1, description="What is computed."
    )
    replicates: int = Field(1000, ge=1, description="Bootstrap resamples of the patients.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Coverage of the intervals.")
    seed: Seed = Field(0, description="Seed of the resamples.")


class EvaluationSettings(MaskScoreSettings):
    """Scores of runs, whose probabilities are known too, and their confidence intervals."""

    metrics: tuple[Metric, ...] = Field(
        ("iou_dataset", "iou_image"),
        min_length=1,
        description="What is computed of each run. `iou_oracle` and `average_precision` take another "
        "pass of each segmenter over the test X-rays.",
    )


class FigureSettings(Settings):
    """Figures of the report."""

    gallery_rows: int = Field(6, ge=1, le=20, description="X-rays in the gallery.")
