"""Models from their settings, and from the checkpoints of the study."""

from __future__ import annotations

from pathlib import Path

from chexseg.data.pathologies import OBSERVATIONS
from chexseg.losses.classification import n_outputs_of
from chexseg.models.classifier import Classifier, Normalise, build_classifier
from chexseg.models.irnet import IRNet
from chexseg.models.segmenter import Segmenter, build_segmenter
from chexseg.models.weights import Checkpoint, initialise, load_checkpoint
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


def irnet_of(architecture: str, initial_weights: str = "none") -> IRNet:
    """Builds an IRNet with random branches over a ResNet with the given weights.

    Raises:
        InputError: the weights cannot be had, or belong to another architecture.
    """
    from torchvision.models import get_model

    backbone = get_model(architecture, weights=None)
    initialise(backbone, initial_weights, architecture=architecture)
    return IRNet(backbone, Normalise())


def load_irnet(path: Path) -> IRNet:
    """Reads a trained IRNet.

    Raises:
        InputError: the file is no checkpoint of an IRNet.
    """
    checkpoint = load_checkpoint(path, kind="irnet")
    model = irnet_of(checkpoint.settings["backbone_architecture"])
    model.load_state_dict(checkpoint.state_dict)
    return model


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
