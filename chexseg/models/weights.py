"""Where weights come from and how they are kept: one mechanism for all models."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from chexseg.config.networks import imagenet_of
from chexseg.files.atomic import atomic
from chexseg.models.matching import LoadReport, load_matching, refused

FORMAT = "chexseg checkpoint"
VERSION = 2


@dataclass(frozen=True)
class Epoch:
    """A model as it was after an epoch.

    Attributes:
        state_dict: its tensors, on the CPU.
        extra: what belongs to it, such as thresholds.
    """

    state_dict: dict[str, Tensor]
    extra: dict


@dataclass(frozen=True)
class Checkpoint:
    """A model and what it is.

    Attributes:
        kind: what it does, such as `classifier` or `segmenter`.
        settings: the settings that it was built and trained with.
        classes: names of its outputs, in order.
        state_dict: its tensors, on the CPU.
        extra: whatever else belongs to it, such as thresholds.
        epochs: kept epochs of its training, by number: tensors and what belongs to them.
    """

    kind: str
    settings: dict
    classes: tuple[str, ...]
    state_dict: dict[str, Tensor]
    extra: dict
    epochs: Mapping[int, Epoch] = field(default_factory=dict)


def save_checkpoint(
    path: str | Path,
    *,
    state_dict: Mapping[str, Tensor],
    kind: str,
    settings: Mapping,
    classes: Sequence[str],
    extra: Mapping | None = None,
    epochs: Mapping[int, Epoch] | None = None,
) -> None:
    """Writes a model; equal arguments give equal bytes.

    Args:
        path: where; the file appears whole or not at all.
        state_dict: its tensors.
        kind: see `Checkpoint`.
        settings: values that JSON can hold.
        classes: names of its outputs, in order.
        extra: further values that JSON can hold.
        epochs: see `Checkpoint`.

    Raises:
        TypeError: a value is nothing that JSON can hold.
    """
    description = {
        "kind": kind,
        "settings": dict(settings),
        "classes": list(classes),
        "extra": dict(extra or {}),
    }
    content = {"format": FORMAT, "version": VERSION, "state_dict": _cloned(state_dict)}
    if epochs:
        description["epochs"] = {str(number): dict(each.extra) for number, each in epochs.items()}
        content["epochs"] = {str(n): _cloned(each.state_dict) for n, each in epochs.items()}
    # One string: pickle's bytes depend on which equal strings are one object.
    content["description"] = json.dumps(description, sort_keys=True)
    with atomic(path) as temporary, temporary.open("wb") as stream:
        torch.save(content, stream)  # a stream, because a path's name would go into the bytes


def _cloned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies tensors to the CPU; a view does not bring all of its storage along."""
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def load_checkpoint(path: str | Path, *, kind: str) -> Checkpoint:
    """Reads a model that `save_checkpoint` wrote; runs no code from the file.

    Raises:
        InputError: there is no such file, it is damaged, it is no checkpoint of this format, or
            it holds another kind of model.
    """
    content = read_tensors(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise refused(path, "another format", f"a {FORMAT}", "Give a file that chexseg wrote.")
    if content.get("version") != VERSION:
        raise refused(
            path,
            f"format version {content.get('version')}",
            f"version {VERSION}",
            "Use the chexseg that wrote it, or make it anew.",
        )
    description = _description_of(content)
    if description is None:
        found, remedy = "a damaged description", "Copy the file again, or make it anew."
        raise refused(path, found, f"a {FORMAT}", remedy)
    if description["kind"] != kind:
        raise refused(
            path, f"a {description['kind']}", f"a {kind}", f"Give the checkpoint of a {kind}."
        )
    return Checkpoint(
        kind=kind,
        settings=description["settings"],
        classes=tuple(description["classes"]),
        state_dict=content["state_dict"],
        extra=description["extra"],
        epochs={
            int(number): Epoch(content["epochs"][number], extra)
            for number, extra in description.get("epochs", {}).items()
        },
    )


def kind_of(path: str | Path) -> str:
    """Returns the kind of model in a file; empty if the file is no checkpoint of this format.

    Raises:
        InputError: there is no such file, it is damaged, or reading it would run code.
    """
    content = read_tensors(path)
    is_ours = isinstance(content, dict) and content.get("format") == FORMAT
    description = _description_of(content) if is_ours else None
    return description["kind"] if description else ""


def _description_of(content: Mapping) -> dict | None:
    """Returns what a checkpoint says of itself, or None if it does not say it in our form."""
    try:
        description = json.loads(content["description"])
        forms = {"kind": str, "settings": dict, "classes": list, "extra": dict}
        sound = all(isinstance(description[name], form) for name, form in forms.items())
        sound &= all(isinstance(name, str) for name in description["classes"])
        kept = content.get("epochs", {})
        sound &= kept.keys() == description.get("epochs", {}).keys()
        sound &= all(number.isdecimal() for number in kept)
        for tensors in (content["state_dict"], *kept.values()):
            sound &= all(isinstance(k, str) and isinstance(v, Tensor) for k, v in tensors.items())
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    return description if sound else None


def read_tensors(path: str | Path) -> object:
    """Returns what `torch.save` wrote, if it is tensors and plain values, on the CPU.

    Raises:
        InputError: there is no such file, it is damaged, or reading it would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise refused(path, "no file", "a file with weights", "Correct the path.")
    try:
        with path.open("rb") as stream:
            is_archive = stream.read(2) == b"PK"  # torch's older format is a plain pickle
        if is_archive:
            with zipfile.ZipFile(path) as archive:
                # torch does not compress; what is compressed may unpack to more than memory holds.
                if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                    raise zipfile.BadZipFile("compressed, which torch never does")
                damaged = archive.testzip()  # torch does not look at the checksums
            if damaged:
                raise zipfile.BadZipFile(f"bad checksum of {damaged}")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = f"no plain tensors ({_first_line(error)})"
        remedy = "Save its state dict alone; chexseg never runs code from a file of weights."
        raise refused(path, found, "a checkpoint or a state dict", remedy) from error
    except Exception as error:  # the unpickler raises whatever damaged bytes lead it to
        found = f"a damaged or foreign file ({_first_line(error)})"
        remedy = "Copy or make the file again."
        raise refused(path, found, "a checkpoint or a state dict", remedy) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:80]


def _state_dict_of_file(path: str | Path) -> dict[str, Tensor]:
    content = read_tensors(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]  # chexseg, Lightning and MoCo all name it so
    tensors = {}
    if isinstance(content, Mapping):
        tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise refused(path, "no tensors", "a state dict", "Save the model's state dict alone.")
    return tensors


def imagenet(architecture: str) -> dict[str, Tensor]:
    """Returns torchvision's ImageNet weights, from torch's cache or, checked, from the internet.

    Args:
        architecture: name of a classifier's architecture or of a segmenter's encoder.

    Raises:
        InputError: torchvision has no weights that fit, or the file cannot be had.
    """
    from torchvision.models import get_model_weights, list_models

    if (name := imagenet_of(architecture)) not in list_models():
        raise refused(
            "initial_weights",
            f"imagenet for {architecture}",
            "an architecture of torchvision",
            "Set initial_weights to none or to a file, or choose another architecture.",
        )
    # Version 1 of the weights for all: those that the papers started from.
    weights = get_model_weights(name)["IMAGENET1K_V1"]
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise refused(
            weights.url,
            f"no whole file ({_first_line(error)})",
            f"a download, or the file in {folder}",
            f"Put the file into {folder}, or set initial_weights to its path.",
        ) from error


def initialise(module: nn.Module, initial_weights: str, *, architecture: str) -> LoadReport | None:
    """Gives a network its first weights.

    Args:
        module: see `load_matching`.
        initial_weights: `none` (the random weights stay), `imagenet` (torchvision's, downloaded
            once into torch's cache), or the path of a state dict or of a checkpoint, such as the
            study's own classifier.
        architecture: name of the classifier's architecture or of the segmenter's encoder; only
            `imagenet` reads it.

    Returns:
        What was loaded; None for `none`.

    Raises:
        InputError: the weights cannot be had or read, or belong to another architecture.
    """
    if initial_weights == "none":
        return None
    if initial_weights == "imagenet":
        return load_matching(module, imagenet(architecture), source=f"imagenet {architecture}")
    return load_matching(module, _state_dict_of_file(initial_weights), source=initial_weights)
