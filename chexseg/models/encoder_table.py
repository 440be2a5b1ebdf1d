"""The tables of encoders and of architectures, made by building every one of them.

`python -m chexseg.models.encoder_table` (or `make encoder-table`) writes both, which takes about
an hour on one core. `chexseg.config.networks` reads them, where torch must not be imported. A
test builds some rows again.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from chexseg import catalog
from chexseg.config.networks import ARCHITECTURE_TABLE, ENCODER_TABLE, STRIDES
from chexseg.errors import InputError
from chexseg.files.atomic import atomic
from chexseg.files.progress import progress
from chexseg.models.classifier import build_classifier
from chexseg.models.families import RESNET, family_of
from chexseg.models.irnet import IRNet
from chexseg.models.matching import load_matching
from chexseg.models.segmenter import Segmenter

Built = TypeVar("Built", bound=nn.Module)
PACKAGES = ("torch", "torchvision", "segmentation-models-pytorch", "timm")
SIZE = 320
"""Side in pixels of the X-ray whose operations are counted."""
CLASSES = 10
CHANNELS = 256
SMALL = 96
"""A side that is a multiple of 32, but of nothing larger."""


def candidates() -> list[str]:
    """Returns the names of smp's encoders, then those of timm's networks under smp's `tu-`.

    smp's names that begin with `timm-` are left out: smp has deprecated them.
    """
    import timm
    from segmentation_models_pytorch.encoders import get_encoder_names

    own = [name for name in get_encoder_names() if not name.startswith("timm-")]
    return own + [f"tu-{name}" for name in timm.list_models()]


def encoder_row(name: str) -> dict[str, str]:
    """Returns the row of an encoder, by column.

    The columns of the decoders hold the GFLOPs of a forward pass. They are empty where a decoder
    does not take the encoder: where the two cannot be built, give logits of another size than
    the X-ray's, or do not train on a batch of one X-ray.
    """
    row, taken = {"encoder": name}, None
    for decoder in catalog.METHODS["decoder"]:
        try:
            segmenter = _on_meta(lambda d=decoder: build(name, d))
            _train(segmenter)
            row[decoder] = f"{gflop(segmenter):.1f}"
        except Exception as error:  # whatever a network that does not fit leads to
            row[decoder] = ""
            reason = " ".join(str(error).split())[:200]
            print(f"{name}, {decoder}: {type(error).__name__}: {reason}", file=sys.stderr)
        else:
            taken = segmenter.encoder
    row["imagenet"] = imagenet_of(name) if taken else ""
    row["parameters"] = str(_parameters(taken)) if taken else ""
    return row


def architecture_row(name: str) -> dict[str, str]:
    """Returns the row of a classifier's architecture, by column.

    The columns of the strides and `irnet` hold the GFLOPs of a forward pass; `irnet` is empty
    where no IRNet has this backbone.
    """
    row = {"architecture": name, "imagenet": name if _has_imagenet(name) else ""}
    for stride in STRIDES:
        classifier = _on_meta(lambda s=stride: build_classifier(name, 14, stride=s))
        row[str(stride)] = f"{gflop(classifier):.1f}"
    backbone, is_resnet = classifier.backbone, family_of(type(classifier.backbone)) is RESNET
    irnet = _on_meta(lambda: IRNet(_network(name), classifier.normalise)) if is_resnet else None
    row["irnet"] = f"{gflop(irnet):.1f}" if irnet else ""
    row["parameters"] = str(_parameters(backbone))
    return row


def build(encoder: str, decoder: str) -> Segmenter:
    """Builds a segmenter without asking the table whether the decoder takes the encoder."""
    return Segmenter(catalog.load("decoder", decoder)(encoder, CLASSES, CHANNELS))


def gflop(model: nn.Module) -> float:
    """Returns billions of operations of a forward pass of an X-ray, for a model on `meta`."""
    image = torch.zeros(1, 1, SIZE, SIZE, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = model.eval()(image)
    if isinstance(model, Segmenter):
        _check_size(result, SIZE)
    return counter.get_total_flops() / 1e9


def imagenet_of(name: str) -> str:
    """Returns the network of torchvision whose ImageNet weights fit an encoder; empty if none.

    That is the one with the encoder's name, if it has the same tensors and the same features.
    """
    from torchvision.models import get_model

    other = name.removeprefix("tu-")
    if not _has_imagenet(other):
        return ""
    theirs, ours = get_model(other, weights=None).eval(), build(name, "fpn").eval()
    try:
        load_matching(ours.encoder, theirs.state_dict(), source=other, least=1)
    except InputError:
        return ""
    return other if _same_features(ours, theirs) else ""


def _has_imagenet(name: str) -> bool:
    from torchvision.models import get_model, get_model_weights, list_models

    if name not in list_models() or "IMAGENET1K_V1" not in get_model_weights(name).__members__:
        return False
    # Inception's networks normalise their images themselves as soon as they have weights.
    return not hasattr(_on_meta(lambda: get_model(name, weights=None)), "transform_input")


@torch.no_grad()
def _same_features(ours: Segmenter, theirs: nn.Module) -> bool:
    """Says whether the last features of an encoder are computed anywhere in a network."""
    image = 10 * torch.rand(2, 3, SMALL, SMALL)  # large enough for activations that are bounded
    expected, equal = ours.network.encoder(image)[-1], []

    def compare(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        if isinstance(output, Tensor) and output.shape == expected.shape:
            equal.extend(torch.allclose(expected, y, rtol=1e-3) for y in (output, output.relu()))

    for module in theirs.modules():
        module.register_forward_hook(compare)
    theirs(image)
    return any(equal)


def _train(segmenter: Segmenter) -> None:
    logits = segmenter.train()(torch.zeros(1, 1, SMALL, SMALL, device="meta"))
    _check_size(logits, SMALL)
    logits.sum().backward()
    unused = [n for n, p in segmenter.named_parameters() if p.requires_grad and p.grad is None]
    if unused:
        raise ValueError(f"parameters without a gradient: {unused[:3]}")


def _check_size(logits: Tensor, side: int) -> None:
    if logits.shape != (1, CLASSES, side, side):
        raise ValueError(f"logits of shape {tuple(logits.shape)}")


def _on_meta(build: Callable[[], Built]) -> Built:
    try:
        with torch.device("meta"):
            network = build()
    except (RuntimeError, NotImplementedError) as error:
        if "meta" not in str(error):
            raise
        network = build()  # some read a value of a tensor while they are built
    return network.to("meta")


def _network(architecture: str) -> nn.Module:
    return catalog.load("architecture", architecture)()


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def write(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Writes a table under a line that names the versions that it was made with."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    rows = list(rows)
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# Made by `make encoder-table` with {versions}\n")
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    """Writes both tables into the package."""
    warnings.filterwarnings("ignore")
    write(ARCHITECTURE_TABLE, map(architecture_row, catalog.METHODS["architecture"]))
    names = candidates()
    rows = map(encoder_row, progress(names, "encoders", len(names)))
    decoders = tuple(catalog.METHODS["decoder"])
    write(ENCODER_TABLE, [row for row in rows if any(row[each] for each in decoders)])


if __name__ == "__main__":
    main()
