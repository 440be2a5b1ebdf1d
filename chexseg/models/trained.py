"""Models from their settings, and from the checkpoints of the study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chexseg.config.networks import decoders_of
from chexseg.config.settings import ClassifierSettings, ImageSettings, SegmenterSettings
from chexseg.errors import InputError, Problem, Problems, near
from chexseg.losses.classification import n_outputs_of
from chexseg.models.adapters import restore_adapters
from chexseg.models.classifier import Classifier, Normalise, build_classifier
from chexseg.models.irnet import IRNet
from chexseg.models.segmenter import Segmenter, build_segmenter
from chexseg.models.start import start_segmenter
from chexseg.models.weights import Checkpoint, initialise, load_checkpoint


def classifier_of(settings: ClassifierSettings, n_findings: int) -> Classifier:
    """Builds a classifier with random weights."""
    return build_classifier(
        settings.architecture,
        n_outputs_of(n_findings, settings.uncertain),
        stride=settings.stride,
        dilate=settings.dilate,
    )


def load_classifier(path: Path) -> tuple[Classifier, ClassifierSettings, tuple[str, ...]]:
    """Reads a trained classifier, its settings, and the findings that its outputs stand for.

    Raises:
        InputError: the file is no checkpoint of a classifier.
    """
    checkpoint = load_checkpoint(path, kind="classifier")
    _check_names(path, checkpoint)
    with _telling(path):
        settings = ClassifierSettings.model_validate(checkpoint.settings)
        model = classifier_of(settings, len(checkpoint.classes))
        model.load_state_dict(checkpoint.state_dict)
    return model, settings, checkpoint.classes


def places_of(classes: Sequence[str], outputs: Sequence[str], path: Path) -> list[int]:
    """Returns the index of each class among the outputs of a model.

    Raises:
        InputError: the model at `path` lacks a class.
    """
    problems = Problems()
    for name in classes:
        if name not in outputs:
            meant = near(name, outputs)
            remedy = "Train it with this class" + (f"; the nearest is {meant!r}." if meant else ".")
            problems.add(path, f"no output {name!r}", f"a model of {name}", remedy)
    problems.raise_if_any()
    return [outputs.index(name) for name in classes]


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
    with _telling(path):
        model = irnet_of(checkpoint.extra["backbone_architecture"])
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
        The model, with its adapters if it has any, and the checkpoint: its `classes` name the logits, its `extra` holds
        `image_size` and `thresholds`, one per pathology.

    Raises:
        InputError: the file is no checkpoint of a segmenter.
    """
    checkpoint = load_checkpoint(path, kind="segmenter")
    _check_names(path, checkpoint)
    with _telling(path):
        settings = SegmenterSettings.model_validate(checkpoint.settings)
        ImageSettings(image_size=checkpoint.extra["image_size"])
        thresholds = [float(threshold) for threshold in checkpoint.extra["thresholds"]]
        if len(thresholds) != len(checkpoint.classes):
            raise ValueError(f"{len(thresholds)} thresholds")
        model = segmenter_of(settings, len(checkpoint.classes))
        restore_adapters(model, checkpoint.state_dict)
        model.load_state_dict(checkpoint.state_dict)
    return model, checkpoint


def check_weights(initial_weights: str, network: str) -> None:
    """Looks whether a file of initial weights fits a network, by loading it.

    Args:
        initial_weights: the path.
        network: a classifier's architecture or a segmenter's encoder.

    Raises:
        InputError: the file cannot be read, or holds another architecture.
    """
    if decoders := decoders_of(network):
        module = build_segmenter(decoders[0], network, 1, decoder_channels=32).encoder
    else:
        module = build_classifier(network, 1).backbone
    initialise(module, initial_weights, architecture=network)


def check_start(settings: SegmenterSettings) -> None:
    """Looks whether the file that a segmenter starts from fits it, by loading it.

    Raises:
        InputError: the file cannot be read, or holds another network.
    """
    start_segmenter(segmenter_of(settings, 1), settings, settings.initial_weights)


def _check_names(path: Path, checkpoint: Checkpoint) -> None:
    """Refuses a model whose outputs have no names, or two of which have the same."""
    names = checkpoint.classes
    if not names or len(set(names)) < len(names):
        found = f"{len(names)} outputs named {', '.join(names)[:200] or 'nothing'}"
        remedy = f"Train the {checkpoint.kind} again."
        problem = Problem(str(path), found, "outputs, each with its own name", remedy, "weights")
        raise InputError([problem])


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Tells settings and tensors of a checkpoint that do not make one model."""
    try:
        yield
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        found = f"settings and tensors that do not fit ({str(error).splitlines()[0][:120]})"
        remedy = "Train it again; this version of chexseg builds another network."
        problem = Problem(str(path), found, "a whole model", remedy, "weights")
        raise InputError([problem]) from error
