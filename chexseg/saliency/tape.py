"""A classifier as a list of operations, through which gradients of several outputs go together."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from chexseg.models.classifier import Classifier, Normalise
from chexseg.saliency.operations import (
    Concatenation,
    Convolution,
    Halving,
    MaxPool,
    Operation,
    Rectifier,
    Sum,
)


class UnknownOperation(Exception):
    """A network does something of which `Tape` knows no backward pass."""


@dataclass(frozen=True)
class Entry:
    """An operation of a tape; its inputs and its output are keys of values."""

    operation: Operation
    inputs: tuple[fx.Node, ...]
    output: fx.Node


class Tape:
    """The operations of a classifier behind its first convolution, up to its last features.

    The network is traced by torch.fx, so another architecture needs no code of its own if it is
    made of these operations. BatchNorm, which is fixed in evaluation mode, becomes part of the
    convolution before it or of the ReLU behind it. The nested concatenations of a DenseNet take
    each other as their first part, so that its gradients are summed once a layer. A maximum moves
    before a ReLU in front of it, and a mean before a convolution of single pixels: the results are
    the same, and there is less to compute.

    Args:
        classifier: in evaluation mode; the tape holds copies of its weights.

    Attributes:
        stem: the first convolution, behind `normalise`.
        normalise: what the classifier does to images before it.

    Raises:
        UnknownOperation: the network is not made of these operations.
    """

    def __init__(self, classifier: Classifier):
        self.normalise = classifier.normalise
        on_cpu = classifier.head.weight.device.type == "cpu"
        self.layout = torch.channels_last if on_cpu else torch.contiguous_format
        entries = _Reader(classifier, self.layout).entries
        if not isinstance(entries[0].operation, Convolution):
            raise UnknownOperation("a network that does not begin with a convolution")
        self.stem, self._start = entries[0].operation, entries[0].output
        self._entries, self._end = entries[1:], entries[-1].output

    def forward(self, values: Tensor) -> tuple[Tensor, list[Any], int]:
        """Computes the last features.

        Args:
            values: results of the stem, [N, C, H, W].

        Returns:
            The features, what the backward pass needs, and the size of the largest tensor in bytes.
        """
        last = {node: each for each in self._entries for node in each.inputs}
        known, saved, largest = {self._start: values}, [], values.nbytes
        for each in self._entries:
            known[each.output], needed = each.operation.forward(*(known[n] for n in each.inputs))
            largest = max(largest, known[each.output].nbytes)
            saved.append(needed)
            for node in {*each.inputs}:
                if last[node] is each:
                    del known[node]
        return known[self._end], saved, largest

    def backward(self, gradient: Tensor, saved: list[Any]) -> Tensor:
        """Returns the gradients with respect to the results of the stem, [K, N, C, H, W].

        Args:
            gradient: of K outputs with respect to the last features, [K, N, C, h, w].
            saved: what `forward` returned.
        """
        found = {self._end: gradient}
        ours = set()  # gradients that nothing else refers to: they may be changed in place
        for each, needed in zip(reversed(self._entries), reversed(saved), strict=True):
            gradient = found.pop(each.output)
            if isinstance(each.operation, Rectifier) and each.inputs[0] in ours:
                found[each.inputs[0]].addcmul_(gradient, needed)
                continue
            parts = each.operation.backward(gradient, needed)
            shared = each.operation.hands_on and each.output not in ours
            shared |= isinstance(each.operation, Sum)
            for node, part in zip(each.inputs, parts, strict=True):
                if node in ours:
                    found[node].add_(part)
                    continue
                first = node not in found
                found[node] = part if first else found[node] + part
                if not (first and shared):
                    ours.add(node)
        return found[self._start]


class _Tracer(fx.Tracer):
    """Traces a network; the normalisation stays one step, since it looks at its input's shape."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, Normalise) or super().is_leaf_module(module, qualified_name)


class _Features(nn.Module):
    """A classifier without its head."""

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier.features(image)


class _Reader:
    """Reads the graph of a classifier; `entries` are the operations behind its normalisation."""

    def __init__(self, classifier: Classifier, layout: torch.memory_format):
        root = _Features(classifier)
        try:
            graph = _Tracer().trace(root)
        except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
            raise UnknownOperation(str(error)) from error
        self.modules: Mapping[str, nn.Module] = dict(root.named_modules())
        for node in graph.nodes:
            if isinstance(self._module(node), nn.Identity | nn.Dropout):  # dropout is off
                node.replace_all_uses_with(node.args[0])
                graph.erase_node(node)
        self.layout = layout
        self.entries: list[Entry] = []
        self._read: set[fx.Node] = set()
        self._joined: dict[tuple[fx.Node, ...], fx.Node] = {}
        for node in graph.nodes:
            module = self._module(node)
            if node.op in ("placeholder", "output") or isinstance(module, Normalise):
                continue
            if node not in self._read:
                self._add(node, module)

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.modules[node.target] if node.op == "call_module" else None

    def _add(self, node: fx.Node, module: nn.Module | None) -> None:
        if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros":
            self._convolution(node, module)
        elif isinstance(module, nn.BatchNorm2d) and self._is_relu(after := _only_user(node)):
            scale, shift = _affine(module)
            self._append(Rectifier(scale[:, None, None], shift[:, None, None]), node.args, after)
        elif self._is_relu(node) and _only_user(node.args[0]) is node:  # it may work in place
            self._append(Rectifier(), node.args[:1], node)
        elif isinstance(module, nn.MaxPool2d) and module.dilation == 1 and not module.ceil_mode:
            self._pool(node, MaxPool(module.kernel_size, module.stride, module.padding))
        elif isinstance(module, nn.AvgPool2d) and _halves(module):
            self._pool(node, Halving())
        elif node.target is torch.cat and 1 in (*node.args[1:], *node.kwargs.values()):
            self._concatenation(node)
        elif node.target in (operator.add, operator.iadd, torch.add) and not node.kwargs:
            self._append(Sum(), node.args, node)
        else:
            raise UnknownOperation(node.format_node())

    def _append(self, operation: Operation, inputs: tuple, output: fx.Node) -> None:
        self._read.add(output)
        self.entries.append(Entry(operation, tuple(inputs), output))

    def _is_relu(self, node: fx.Node | None) -> bool:
        return node is not None and (
            isinstance(self._module(node), nn.ReLU) or node.target in (functional.relu, torch.relu)
        )

    def _convolution(self, node: fx.Node, module: nn.Conv2d) -> None:
        weight, bias, output = module.weight, module.bias, node
        after = _only_user(node)
        if after is not None and isinstance(norm := self._module(after), nn.BatchNorm2d):
            scale, shift = _affine(norm)
            weight, output = weight * scale[:, None, None, None], after
            bias = shift if bias is None else bias * scale + shift
        operation = Convolution(
            weight.detach(),
            None if bias is None else bias.detach(),
            stride=module.stride,
            padding=module.padding,
            dilation=module.dilation,
            groups=module.groups,
            layout=self.layout,
        )
        self._append(operation, node.args, output)

    def _pool(self, node: fx.Node, pool: Operation) -> None:
        """Adds a pool; before the operation in front of it, if that gives the same result."""
        before = self.entries[-1]
        alone = before.output is node.args[0] and _only_user(before.output) is node
        if alone and _commute(before.operation, pool):
            self.entries.pop()
            self._append(pool, before.inputs, before.output)
            self._append(before.operation, (before.output,), node)
        else:
            self._append(pool, node.args, node)

    def _concatenation(self, node: fx.Node) -> None:
        parts = tuple(node.args[0])
        inputs = parts
        for length in range(len(parts) - 1, 0, -1):
            if (first := self._joined.get(parts[:length])) is not None:
                inputs = (first, *parts[length:])
                break
        self._joined[parts] = node
        self._append(Concatenation(), inputs, node)


def _commute(operation: Operation, pool: Operation) -> bool:
    """Returns whether an operation gives the same result before and behind a pool.

    A ReLU does with a maximum, a convolution of single pixels with a mean.
    """
    if isinstance(operation, Rectifier):
        return isinstance(pool, MaxPool) and operation.scale is None
    return isinstance(operation, Convolution) and isinstance(pool, Halving) and operation.of_pixels


def _only_user(node: fx.Node) -> fx.Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 else None


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Returns what BatchNorm in evaluation mode multiplies and adds, [C] each."""
    if norm.running_mean is None or norm.weight is None:
        raise UnknownOperation("BatchNorm without statistics or weights")
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
    return scale, (norm.bias - norm.running_mean * scale).detach()


def _halves(module: nn.AvgPool2d) -> bool:
    plain = module.padding == 0 and not module.ceil_mode and module.divisor_override is None
    return plain and module.kernel_size == 2 and module.stride == 2
