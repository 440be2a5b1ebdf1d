"""Diagram of how the scores were made, with a band per stage and a box per entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from chexseg.config.settings import FigureSettings
from chexseg.report.figure import MOST_ENTRIES, Figure, Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

    from chexseg.audit.lineage import Node

RAW = "raw data"
BAND, GAP, PASS = 0.66, 1.45, 0.35
"""Inches: height of a band, gap between boxes, and gap next to an arrow that passes through."""
WIDEST = 18
"""Characters of a name that fit between two boxes; of a longer one, the middle is left out."""

_SWEEPS = 24


@dataclass(eq=False)
class Box:
    """An entry of a stage; a box without a label is a point where an arrow crosses a band."""

    band: int
    label: str = ""
    below: list[Box] = field(default_factory=list)
    above: list[Box] = field(default_factory=list)
    x: float = 0.0


def draw(inputs: Inputs, settings: FigureSettings) -> Picture:
    """Draws the lineage of the summary from its records.

    An arrow is omitted if a chain of other arrows implies it: a segmenter needs the X-rays, but so
    do the masks that it learns from.

    Raises:
        InputError: the summary has no record, or is not part of a study.
    """
    from matplotlib.figure import Figure as Picture
    from matplotlib.patches import Rectangle

    from chexseg.audit.lineage import lineage_of
    from chexseg.audit.study import study_of

    target = lineage_of(*study_of(inputs.summary))
    bands, boxes = _boxes(target)
    layers = [[box for box in boxes if box.band == number] for number in range(len(bands))]
    _arrange(layers)
    left = min(box.x for box in boxes) - GAP / 2
    right = max(box.x for box in boxes) + GAP / 2
    width, height, margin = right - left, BAND * len(bands), 1.75
    picture = Picture(figsize=(width + margin, height), dpi=110)
    axes = picture.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left - margin, right), ylim=(height, 0))
    axes.axis("off")
    for number, stage in enumerate(bands):
        top = number * BAND
        axes.add_patch(
            Rectangle(
                (left - margin + 0.04, top + 0.03), width + margin - 0.08, BAND - 0.06,
                color="#f1f4f8" if number % 2 else "#e6ebf2", zorder=0,
            )
        )  # fmt: skip
        axes.text(left - margin + 0.16, top + BAND / 2, stage, va="center", size=9, color="#33415c")
    for box in boxes:
        for lower in box.below:
            _arrow(axes, box, lower)
        if box.label:
            axes.text(
                box.x, (box.band + 0.5) * BAND, box.label, ha="center", va="center", size=8.5,
                linespacing=1.05, zorder=3,
                bbox={"boxstyle": "round,pad=0.32", "fc": "white", "ec": "#3a6ea5", "lw": 1.1},
            )  # fmt: skip
    return picture


def _boxes(target: Node) -> tuple[list[str], list[Box]]:
    """Returns the names of the bands, and a box per entry and per crossing of a band."""
    from chexseg.audit.lineage import walk
    from chexseg.audit.study import entry_of

    nodes = walk(target)[::-1]
    stage_of = _stages(nodes)
    bands = _in_order(nodes, stage_of)
    of_node: dict[str, Box] = {}
    merged: dict[tuple[str, str], Box] = {}
    for node in nodes:
        stage = stage_of[node.name]
        entry = "tables and masks" if stage == RAW else entry_of(node.name)
        box = merged.setdefault((stage, entry), Box(bands.index(stage), _label(node, entry)))
        of_node[node.name] = box
    sources: dict[Box, set[Box]] = {box: set() for box in merged.values()}
    for node in nodes:
        sources[of_node[node.name]] |= {of_node[source.name] for source in node.inputs}
    sources = _grouped(sources)
    boxes = list(sources)
    for box, direct in sources.items():
        for source in sorted(direct - {box}, key=boxes.index):
            if not any(source in _behind(other, sources) for other in direct - {source}):
                boxes += _connect(source, box)
    return bands, boxes


def _grouped(sources: dict[Box, set[Box]]) -> dict[Box, set[Box]]:
    """Merges boxes in each band that has more than MOST_ENTRIES: copies of an entry with equal sources.

    The seeds of a run are one box then, which says how many more there are. Names of copies are that
    of the entry, and what differs behind a '-'.

    Args:
        sources: box -> the boxes that it was made from.

    Returns:
        The same for the boxes that are left.
    """
    crowded = {band for band, n in Counter(box.band for box in sources).items() if n > MOST_ENTRIES}
    merged: dict[Box, Box] = {}
    first: dict[tuple[int, str, frozenset[Box]], Box] = {}
    members: Counter[Box] = Counter()
    found: dict[Box, set[Box]] = {}
    for box in sorted(sources, key=lambda box: box.band):
        direct = {merged[source] for source in sources[box] if source is not box}
        key = box.band, box.label.partition("-")[0], frozenset(direct)
        merged[box] = first.setdefault(key, box) if box.band in crowded else box
        members[merged[box]] += 1
        found.setdefault(merged[box], direct)
    for box, number in members.items():
        if number > 1:
            box.label = f"{box.label.partition(chr(10))[0]}\nand {number - 1} more"
    return {box: found[box] for box in sources if box in found}


def _stages(nodes: Sequence[Node]) -> dict[str, str]:
    """Returns the stage of each node, numbered if a node depends on another of the same stage.

    A segmenter may start from another one, or learn from masks predicted by another one.

    Args:
        nodes: the nodes, each after those that it was made from.
    """
    stage_of: dict[str, str] = {}
    rounds: dict[str, Counter[str]] = {}  # highest number per stage up to a node
    for node in nodes:
        stage = next(iter(node.makers.values())).stage if node.makers else RAW
        seen: Counter[str] = Counter()
        for source in node.inputs:
            seen |= rounds[source.name]  # the maximum of each
        seen[stage] += 1
        rounds[node.name] = seen
        stage_of[node.name] = stage if seen[stage] == 1 else f"{stage} ({seen[stage]})"
    return stage_of


def _in_order(nodes: Sequence[Node], stage_of: dict[str, str]) -> list[str]:
    """Returns the stages, each after those that it depends on."""
    needs: dict[str, list[str]] = {}  # lists, since the order of sets of strings is random
    for node in nodes:
        stage = stage_of[node.name]
        sources = (stage_of[source.name] for source in node.inputs)
        needs.setdefault(stage, []).extend(source for source in sources if source != stage)
    return list(TopologicalSorter(needs).static_order())


def _behind(box: Box, sources: dict[Box, set[Box]]) -> set[Box]:
    """Returns the boxes that a box was made from, directly or not."""
    found: set[Box] = set()
    queue = [box]
    while queue:
        new = sources[queue.pop()] - found
        found |= new
        queue += new
    return found


def _connect(source: Box, box: Box) -> list[Box]:
    """Links two boxes through every band between them; returns the crossings."""
    crossings = [Box(band) for band in range(source.band + 1, box.band)]
    chain = [source, *crossings, box]
    for upper, lower in zip(chain, chain[1:], strict=False):
        upper.below.append(lower)
        lower.above.append(upper)
    return crossings


def _label(node: Node, entry: str) -> str:
    outputs = [maker.record["outputs"].values() for maker in node.makers.values()]
    images = sum(listed[0].get("images", 0) for each in outputs for listed in each)
    told = images and node.name.endswith((".h5", ".csv"))
    if len(entry) > WIDEST:
        entry = f"{entry[: WIDEST // 2]}…{entry[-WIDEST // 2 :]}"
    return f"{entry}\n{images:,} X-rays" if told else entry


def _arrange(layers: list[list[Box]]) -> None:
    """Sets the x of boxes: close to linked boxes, in an order with few crossings."""
    for layer in layers:
        _spread(layer)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else layers[::-1]:
            for box in layer:
                near = (box.above if down else box.below) or box.above or box.below
                box.x = sum(each.x for each in near) / len(near) if near else box.x
            layer.sort(key=lambda box: box.x)
            _spread(layer)


def _spread(layer: list[Box]) -> None:
    """Moves boxes apart that are too close, keeping their centre in place."""
    wanted = [box.x for box in layer]
    for before, box in zip(layer, layer[1:], strict=False):
        room = (GAP if before.label else PASS) / 2 + (GAP if box.label else PASS) / 2
        box.x = max(box.x, before.x + room)
    shift = sum(w - box.x for w, box in zip(wanted, layer, strict=True)) / max(1, len(layer))
    for box in layer:
        box.x += shift


def _arrow(axes: Axes, upper: Box, lower: Box) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    start, end = upper.band + 0.5 + _half(upper), lower.band + 0.5 - _half(lower)
    middle = (start + end) / 2
    points = [(upper.x, start), (upper.x, middle), (lower.x, middle), (lower.x, end)]
    curve = Curve([(x, y * BAND) for x, y in points], [Curve.MOVETO, *[Curve.CURVE4] * 3])
    style = "-|>,head_length=4,head_width=2.2" if lower.label else "-"
    axes.add_patch(
        FancyArrowPatch(
            path=curve, arrowstyle=style, color="#7c8aa5", lw=1.1, shrinkA=0, shrinkB=0, zorder=2
        )
    )


def _half(box: Box) -> float:
    """Returns half the height of a box, in bands."""
    lines = box.label.count("\n") + 1 if box.label else 0
    return (0, 0.12, 0.19)[lines] / BAND


LINEAGE = Figure(
    draw,
    roles=("summary",),
    category="Lineage",
    title="from X-rays to scores",
    description="From the X-rays to the scores: every artifact that led to summary.csv, according "
    "to the records. Of many entries, those that were made from the same are one box. ``chexseg audit`` checks them, and prints the same as text.",
)
