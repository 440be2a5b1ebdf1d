"""What networks there are, what fits together and what it costs: two tables, read without torch.

`chexseg.models.encoder_table` makes the tables by building every network.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from chexseg import catalog
from chexseg.errors import nearest

ENCODER_TABLE = Path(__file__).parents[1] / "models" / "encoders.csv"
ARCHITECTURE_TABLE = ENCODER_TABLE.with_name("architectures.csv")
STRIDES = (32, 16, 8, 4)


class Encoder(NamedTuple):
    """An encoder of a segmenter.

    Attributes:
        imagenet: torchvision's network whose ImageNet weights fit it; empty: there is none.
        parameters: their number.
        gflop: decoder that takes it -> GFLOPs of a forward pass of an X-ray of 320 x 320.
    """

    imagenet: str
    parameters: int
    gflop: Mapping[str, float]


class Architecture(NamedTuple):
    """An architecture of classifiers.

    Attributes:
        imagenet: torchvision's network whose ImageNet weights fit it; empty: there is none.
        parameters: their number.
        gflop: stride -> GFLOPs of a forward pass of an X-ray of 320 x 320.
        irnet: GFLOPs of an IRNet with this backbone; None: it is no ResNet.
    """

    imagenet: str
    parameters: int
    gflop: Mapping[int, float]
    irnet: float | None


@cache
def encoders() -> dict[str, Encoder]:
    """Returns the encoders by smp's names."""
    found = {}
    for row in _rows(ENCODER_TABLE):
        name, imagenet, parameters = (row.pop(c) for c in ("encoder", "imagenet", "parameters"))
        gflop = {decoder: float(value) for decoder, value in row.items() if value}
        found[name] = Encoder(imagenet, int(parameters), gflop)
    return found


@cache
def architectures() -> dict[str, Architecture]:
    """Returns the architectures of classifiers by name, but those of other packages."""
    return {
        row["architecture"]: Architecture(
            row["imagenet"],
            int(row["parameters"]),
            {stride: float(row[str(stride)]) for stride in STRIDES},
            float(row["irnet"]) if row["irnet"] else None,
        )
        for row in _rows(ARCHITECTURE_TABLE)
    }


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        next(file)  # says which versions it was made with
        return list(csv.DictReader(file))


def backbones() -> tuple[str, ...]:
    """Returns the architectures that an IRNet takes as its backbone: torchvision's ResNets."""
    return tuple(name for name, each in architectures().items() if each.irnet is not None)


def decoders_of(encoder: str) -> tuple[str, ...]:
    """Returns the decoders that take an encoder; none if there is no such encoder.

    Those of other packages are among them: no table tells what they take.
    """
    known = encoders().get(encoder)
    if known is None:
        return ()
    return tuple(
        name
        for name in catalog.names("decoder")
        if name in known.gflop or name not in catalog.METHODS["decoder"]
    )


def nearest_encoder(name: str) -> str:
    """Returns the encoder whose name is most like a name."""
    return nearest(name, tuple(encoders()))


def imagenet_of(name: str) -> str:
    """Returns the network of torchvision whose ImageNet weights fit a network.

    Args:
        name: of an encoder or an architecture.

    Returns:
        Its name; empty if torchvision has no such weights. What no table tells of is taken for a
        network of torchvision: fetching the weights will show it.
    """
    known = encoders().get(name) or architectures().get(name)
    return known.imagenet if known else name


def segmenter_gflop(encoder: str, decoder: str) -> float:
    """Returns the GFLOPs of a forward pass of a segmenter on an X-ray of 320 x 320.

    Where they were not counted, for a decoder of another package, they are those of the costliest
    decoder with this encoder.
    """
    counted = encoders()[encoder].gflop
    return counted.get(decoder, max(counted.values()))


def classifier_gflop(architecture: str, stride: int) -> float:
    """Returns the GFLOPs of a forward pass of a classifier on an X-ray of 320 x 320.

    Where they were not counted, for an architecture of another package, they are those of the
    costliest architecture.
    """
    known = architectures()
    these = [known[architecture]] if architecture in known else known.values()
    return max(each.gflop[stride] for each in these)


def irnet_gflop(backbone: str) -> float:
    """Returns the GFLOPs of a forward pass of an IRNet on an X-ray of 320 x 320."""
    return architectures()[backbone].irnet


def bytes_of_weights(name: str) -> int:
    """Returns the size of a file with the weights of an encoder or an architecture.

    Of the largest architecture, if no table tells of it.
    """
    known = encoders().get(name) or architectures().get(name)
    return 4 * (known.parameters if known else max(a.parameters for a in architectures().values()))
