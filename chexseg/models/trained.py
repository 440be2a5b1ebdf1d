"""Models from their settings, and from the checkpoints of the study."""

from __future__ import annotations

from pathlib import Path

from chexseg.data.pathologies import OBSERVATIONS
from chexseg.losses.classification import n_outputs_of
from chexseg.models.classifier import Classifier, build_classifier
from chexseg.models.segmenter import Segmenter, build_segmenter
from chexseg.models.weights import Checkpoint, load_checkpoint
from chexseg.settings import ClassifierSettings, SegmenterSettings


def classifier_of(settings: ClassifierSettings) -> Classifier:
    """Builds a classifier of the 14 OBSERVATIONS, with random weights."""
    return build_classifier(
        settings.architecture,
        n_outputs_of(len(OBSERVATIONS), settings.uncertain),
        stride=settings.stride,
        dilate=settings.dilate,
    )


def load_classifier(path: Path) -> tuple[Classifier, ClassifierSettings]:
    """Reads a trained classifier and its settings.

    Raises:
        InputError: the file is no checkpoint of a classifier.
    """
    checkpoint = load_checkpoint(path, kind="classifier")
    settings = ClassifierSettings.model_validate(checkpoint.settings)
    model = classifier_of(settings)
    model.load_state_dict(checkpoint.state_dict)
    return model, settings


def segmenter_of(settings: SegmenterSettings, n_pathologies: int) -> Segmenter:
    """Builds a segmenter with random weights."""
    return build_segmenter(
        settings.architecture,
        settings.encoder,
        n_pathologies,
        decoder_channels=settings.decoder_channels,
    )


def load_segmenter(path: Path) -> tuple[Segmenter, Checkpoint]:
    """Reads a trained segmenter and all that its checkpoint tells.

    Returns:
        The model, and the checkpoint: its `pathologies` name the logits, its `extra` holds
        `image_size` and `thresholds`, one per pathology.

    Raises:
        InputError: the file is no checkpoint of a segmenter.
    """
    checkpoint = load_checkpoint(path, kind="segmenter")
    settings = SegmenterSettings.model_validate(checkpoint.settings)
    model = segmenter_of(settings, len(checkpoint.pathologies))
    model.load_state_dict(checkpoint.state_dict)
    return model, checkpoint
