"""How much of a saliency method goes through a network at once."""

from __future__ import annotations

from dataclasses import dataclass

PER_OUTPUT = 4
"""Tensors of the largest size that a backward pass holds at once for each gradient: that of a
layer's result, that of its input, and one or two between them."""

HEAP = 2**25
"""Bytes. Larger tensors come from the operating system each time (glibc's M_MMAP_THRESHOLD grows to
32 MiB), and clearing their pages takes a CPU longer than computing them."""


@dataclass(frozen=True)
class Sizes:
    """What gradients take, in bytes.

    Attributes:
        saved: what a forward pass of one copy of an X-ray holds.
        largest: the largest tensor between its input and its output.
        total: the sum of the gradients of one output over a path.
    """

    saved: int
    largest: int
    total: int


@dataclass(frozen=True)
class Passes:
    """What goes through the network at once.

    Attributes:
        paths: paths whose sums are held at once.
        copies: copies of X-rays in a forward pass, at most `paths` times the steps of a path.
        outputs: outputs in a backward pass.
    """

    paths: int
    copies: int
    outputs: int


def plan_passes(sizes: Sizes, budget: float, *, steps: int, outputs: int, on_cpu: bool) -> Passes:
    """Returns the largest passes that a budget allows; the least is one copy and one output.

    Without room for all outputs, a copy goes through alone, and its outputs in several passes: what
    a forward pass computed is shared. On a CPU, tensors are kept small (`HEAP`), since larger passes
    are not faster there.

    Args:
        sizes: what gradients take.
        budget: memory in bytes.
        steps: copies on a path.
        outputs: outputs that are explained.
        on_cpu: whether the network is on a CPU.
    """
    totals = outputs * sizes.total
    each = PER_OUTPUT * sizes.largest
    per_copy = sizes.saved + outputs * each
    paths = int(budget // (totals + steps * per_copy))
    copies = paths * steps or max(1, min(steps, int((budget - totals) // per_copy)))
    if copies == 1:
        outputs = max(1, min(outputs, int((budget - totals - sizes.saved) // each)))
    if on_cpu:
        outputs = max(1, min(outputs, HEAP // sizes.largest))
        copies = max(1, min(copies, HEAP // (outputs * sizes.largest)))
    return Passes(max(1, copies // steps), copies, outputs)
