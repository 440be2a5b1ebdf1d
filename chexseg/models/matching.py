"""Weights from a state dict whose names are longer, or of which only a part is wanted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from chexseg.errors import InputError, Problem

HEADS = ("classifier", "fc")
"""Names of the last layers of torchvision's networks: never loaded, never missed."""

# Files from before torch 0.4 say `denselayer1.norm.1.weight`, which torchvision renames too.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


@dataclass(frozen=True)
class LoadReport:
    """What became of a state dict that was loaded into a module.

    Attributes:
        source: where the tensors came from.
        prefix: what stood before their names, such as `module.encoder.`.
        loaded: number of tensors of the module that were found.
        missing: tensors of the module that were not found; they keep their values.
    """

    source: str
    prefix: str
    loaded: int
    missing: tuple[str, ...]


def refused(where: str | Path, found: str, expected: str, remedy: str) -> InputError:
    """Returns the error of weights that cannot be used."""
    return InputError([Problem(str(where), found, expected, remedy, "weights")])


def load_matching(
    module: nn.Module,
    state_dict: Mapping[str, Tensor],
    *,
    source: str,
    heads: Sequence[str] = HEADS,
    least: float = 0.9,
) -> LoadReport:
    """Loads a module's weights from a state dict that may hold more, under longer names.

    What stands before the names (`module.`, `model.encoder.`, `backbone.`) is found out: it is
    the prefix under which most names of the module occur; of two equal ones the first counts
    (MoCo's `encoder_q`, not `encoder_k`).

    Args:
        module: a network under the names of torchvision, smp or timm: `Classifier.backbone` or
            `Segmenter.encoder`.
        state_dict: tensors by name.
        source: where they come from, for the report and for errors.
        heads: children of the module that are left as they are.
        least: share of the module's tensors that must be found. BatchNorm's counters of batches
            are loaded when found but do not count: old files lack them.

    Returns:
        What was loaded.

    Raises:
        InputError: a tensor has another shape, or too few were found: another architecture. The
            module is unchanged then.
    """
    given = {_OLD_DENSENET.sub(r"\1\2", name): tensor for name, tensor in state_dict.items()}
    wanted = {
        name: tensor
        for name, tensor in module.state_dict().items()
        if name.split(".")[0] not in heads
    }
    names = {_flat(name): name for name in wanted}
    prefixes = Counter(
        name[: len(name) - len(ending)]
        for name in given
        for ending in _endings(name)
        if _flat(ending) in names
    )
    prefix = max(prefixes, key=prefixes.get, default="")
    below = {
        _flat(name.removeprefix(prefix)): tensor
        for name, tensor in given.items()
        if name.startswith(prefix)
    }
    found = {name: below[flat] for flat, name in names.items() if flat in below}
    misshapen = [name for name, tensor in found.items() if tensor.shape != wanted[name].shape]
    missing = tuple(name for name in wanted if name not in found)

    needed = [name for name in wanted if not name.endswith("num_batches_tracked")]
    n_found = sum(name in found for name in needed)
    if misshapen:
        first = misshapen[0]
        raise refused(
            f"{source}: {prefix}{first}",
            f"shape {tuple(found[first].shape)}, and {len(misshapen)} other shapes in all",
            f"shape {tuple(wanted[first].shape)}",
            "The weights belong to another architecture: give those of this one.",
        )
    if n_found < least * len(needed):
        raise refused(
            source,
            f"{n_found} of the network's {len(needed)} tensors",
            f"at least {least:.0%}; {missing[0]} is missing, for one",
            "The weights belong to another architecture: give those of this one.",
        )
    # Not module.load_state_dict: smp's encoders override it without `strict`.
    nn.Module.load_state_dict(module, found, strict=False)
    return LoadReport(source, prefix, len(found), missing)


def _flat(name: str) -> str:
    """Returns a name as it is alike in timm's networks and in their encoders.

    A file of timm says `stages.0.blocks`, where the encoder of the same network says
    `stages_0.blocks`.
    """
    return name.replace(".", "_")


def _endings(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]
