"""Checks how the entries of a config refer to each other: names, cycles and initial weights.

Works on a `chexseg.config.study.Study` whose values are valid by themselves. Marks in the models of
entries (`chexseg.config.settings.Reference`, `InitialWeights`) say which fields refer to others; one
loop here checks them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chexseg.catalog import OF_PROBABILITIES
from chexseg.config.classes import Place, check_classes
from chexseg.config.data import check_data
from chexseg.config.defaults import EXPERT
from chexseg.config.entries import SECTIONS
from chexseg.config.flags import references
from chexseg.config.networks import imagenet_of
from chexseg.config.settings import WORDS, InitialWeights, Settings
from chexseg.config.starts import check_start
from chexseg.config.values import used_values
from chexseg.errors import Problems, nearest

if TYPE_CHECKING:
    from chexseg.config.study import Study

HUMAN = "radiologists"
"""Among the runs that are compared: the second reader."""

BLIND = "blind_mean"
"""Among the masks and the maps that are scored: the mean of the experts' masks."""

WEIGHT_SUFFIXES = (".pt", ".pth", ".tar", ".ckpt")

TAKEN = {HUMAN: "the human benchmark", EXPERT: "the experts' masks", "X-ray": "the X-ray itself"}
"""Names that a segmenter cannot have, since tables and figures call something else by them."""

Node = tuple[str, str]
"""Section and name of an entry."""


def check_links(study: Study, place: Place, problems: Problems) -> None:
    """Adds a problem for everything that does not fit together in a study."""
    _check_data(study, place, problems)
    _check_names(study, place, problems)
    for section, name, entry in entries(study):
        for location, (target, wanted) in _references(entry):
            where, names = place(section, name, *location), tuple(getattr(study, target))
            check_name(wanted, names, target, where, problems)
        for field, network, mark in _weights(entry):
            where = place(section, name, field)
            _check_weights(study, getattr(entry, field), network, mark, where, problems)
    cycles = list(_cycles(study))
    for cycle in cycles:
        section, name = cycle[0]
        chain = " -> ".join(f"{s}.{n}" for s, n in (*cycle, cycle[0]))
        expected = "entries that do not need themselves"
        problems.add(place(section, name), f"a cycle: {chain}", expected, "Break it.")
    for name, entry in study.segmenters.items():
        _check_segmenter(study, name, entry, place, problems)
        check_start(study, name, entry, place, problems)
    if not cycles:
        check_classes(study, place, problems)


def runs_of(study: Study) -> tuple[str, ...]:
    """Returns what is scored: segmenters, and the human benchmark if there is one."""
    readers = study.data.mask_files("", "test")[1:]
    return (*scored_segmenters(study), *[HUMAN] * bool(readers))


def scored_segmenters(study: Study) -> tuple[str, ...]:
    """Returns the segmenters that predict the test X-rays."""
    return tuple(name for name, entry in study.segmenters.items() if entry.scored)


def runs_with_histograms(study: Study) -> tuple[str, ...]:
    """Returns the runs whose probabilities are scored; none if no metric needs them."""
    needed = not set(study.evaluation.metrics).isdisjoint(OF_PROBABILITIES)
    return scored_segmenters(study) if needed else ()


def scored_masks(study: Study) -> dict[str, tuple[str, ...]]:
    """Returns the sources of masks that are compared with the experts', and on which splits.

    These are the sources that share a class with them. The entry `expert` is what they are compared
    with, even if its files are not the data's own.
    """
    classes = set(study.masks[EXPERT].classes_of(study))
    others = {name: source for name, source in study.masks.items() if name != EXPERT}
    return {
        name: splits
        for name, source in others.items()
        if (splits := source.scored_on(study)) and classes & {*source.classes_of(study)}
    }


def scored_maps(study: Study) -> tuple[str, ...]:
    """Returns the saliency maps that are compared with the experts' masks: they share a class."""
    classes = set(study.masks[EXPERT].classes_of(study))
    return tuple(n for n, entry in study.saliency.items() if classes & {*entry.classes_of(study)})


def check_published(study: Study, place: Place, problems: Problems) -> None:
    """Adds a problem for each published score beside a run that is none of the study."""
    for name, entry in study.published.items():
        if entry.run is not None:
            where = place("published", name, "run")
            check_name(entry.run, runs_of(study), "the runs", where, problems)


def entries(study: Study) -> Iterator[tuple[str, str, Settings]]:
    """Yields section, name and entry of all named entries of a study."""
    for section in SECTIONS:
        for name, entry in getattr(study, section).items():
            yield section, name, entry


def files_of_weights(study: Study) -> list[tuple[str, str]]:
    """Returns the files of initial weights that a study names, each with its architecture."""
    named = {
        (getattr(entry, field), network): None
        for _, _, entry in entries(study)
        for field, network, _ in _weights(entry)
    }
    others = (*WORDS, *study.classifiers, *study.segmenters)
    return [(weights, network) for weights, network in named if weights not in others]


def needs_of(study: Study, entry: Settings, *, swept: bool = False) -> list[Node]:
    """Returns the entries that an entry names, and so depends on.

    Args:
        study: the study.
        entry: one of its entries.
        swept: only those that a sweep would copy: without sources of weight 0, for example.
    """
    needs = [target for _, target in _references(entry, swept)]
    for field, _, mark in _weights(entry):
        weights = getattr(entry, field)
        if weights not in WORDS:
            needs += [(s, weights) for s in mark.sections if weights in getattr(study, s)]
    return needs


def _references(
    entry: Settings, swept: bool = False
) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Yields where an entry names another, and which: section and name."""
    values = used_values(entry) if swept else dict(entry)
    for field, mark in references(type(entry)).items():
        if swept and not mark.swept:
            continue
        value = values.get(field)
        if isinstance(value, str):
            yield (field,), (mark.section, value)
        elif isinstance(value, Mapping):
            yield from (((field, name), (mark.section, name)) for name in value)
        elif value is not None:
            yield from (((field, i), (mark.section, name)) for i, name in enumerate(value))


def _weights(entry: Settings) -> Iterator[tuple[str, str, InitialWeights]]:
    """Yields the fields of an entry that hold initial weights, with the network and the mark."""
    for field, info in type(entry).model_fields.items():
        for mark in info.metadata:
            if isinstance(mark, InitialWeights):
                yield field, getattr(entry, mark.network), mark


def check_name(
    name: str, names: tuple[str, ...], what: str, where: str, problems: Problems
) -> None:
    """Adds a problem if a name is none of `names`; `what` says what they are the names of."""
    if name not in names:
        remedy = f"Did you mean {nearest(name, names)!r}?" if names else f"Define {what} first."
        expected = f"one of {what}: {', '.join(names) or 'there is none'}"
        problems.add(where, repr(name), expected, remedy)


def _check_weights(
    study: Study, weights: str, network: str, mark: InitialWeights, where: str, problems: Problems
) -> None:
    """`weights` is a word, a path (it has a '/' or a suffix), a fitting classifier or a segmenter.

    Whether a segmenter fits is checked by `chexseg.config.starts`.
    """
    if weights == "imagenet" and not imagenet_of(network):
        found, expected = (
            f"ImageNet weights for {network}",
            "a network of torchvision that has them",
        )
        problems.add(where, found, expected, "Set it to none or a path.")
    a_path = "/" in weights or Path(weights).suffix in WEIGHT_SUFFIXES
    safe = not re.search(r"^-|[{}\n\r]", weights)
    known = (*study.classifiers, *study.segmenters)
    if weights in WORDS or (a_path and safe and weights not in known):
        return
    if "segmenters" in mark.sections and weights in study.segmenters:
        return
    fitting = {
        "classifiers": [n for n, c in study.classifiers.items() if c.architecture == network],
        "segmenters": [n for n, s in study.segmenters.items() if s.encoder == network],
    }
    names = (*WORDS, *(name for section in mark.sections for name in fitting[section]))
    if weights not in names:
        others = {"classifiers": f"a {network} classifier", "segmenters": "a segmenter of it"}
        named = [others[section] for section in mark.sections]
        *first, last = ["'none'", "'imagenet'", "a path", *named]
        expected = f"{', '.join(first)} or {last}: {', '.join(names)}"
        problems.add(where, repr(weights), expected, f"Did you mean {nearest(weights, names)!r}?")


def _cycles(study: Study) -> Iterator[list[Node]]:
    """Yields the cycles of entries that need each other, each once."""
    needs = {(section, name): needs_of(study, entry) for section, name, entry in entries(study)}
    done: set[Node] = set()

    def walk(node: Node, way: list[Node]) -> Iterator[list[Node]]:
        if node in way:
            yield way[way.index(node) :]
        elif node not in done:
            for other in needs.get(node, ()):
                yield from walk(other, [*way, node])
            done.add(node)

    for node in needs:
        yield from walk(node, [])


def _check_data(study: Study, place: Place, problems: Problems) -> None:
    needed = {
        "validation": (study.segmenters, "select epochs"),
        "test": (scored_segmenters(study), "score"),
    }
    for part, (segmenters, purpose) in needed.items():
        boxes = study.data.layout_settings.boxes
        if segmenters and not study.data.mask_files("", part) and not boxes:
            found = f"segmenters, but no masks of the {part} X-rays"
            remedy = f"Take a layout that has them: they {purpose}."
            problems.add(place("data"), found, "masks of validation and test X-rays", remedy)
    if study.data.root is None and study.phantom is None:
        where = place("data")
        problems.add(where, "neither data.root nor phantom", "one of them", "Set 'data.root'.")
    if study.data.root is not None and study.phantom is not None:
        where = place("phantom")
        remedy = "Delete 'phantom', or 'data.root' to study the phantom."
        problems.add(where, "both data.root and phantom", "one of them", remedy)
    check_data(study, place, problems)


def _check_names(study: Study, place: Place, problems: Problems) -> None:
    """Adds names that mean something else, or whose files would be called like another's."""

    def refuse(name: str, remedy: str, *location: str) -> None:
        problems.add(place(*location), repr(name), "another name", remedy)

    record = "Records are named so: take '.provenance' out."
    if ".provenance" in study.study:
        refuse(study.study, record, "study")
    for section, name, _ in entries(study):
        if ".provenance" in name:
            refuse(name, record, section, name)
    for name in WORDS:
        for section in ("classifiers", "segmenters"):
            if name in getattr(study, section):
                refuse(name, "It means initial weights.", section, name)
    if study.masks[EXPERT].made:
        refuse(EXPERT, "'expert' means masks that are drawn.", "masks", EXPERT)
    for section in ("saliency", "masks"):
        if BLIND in getattr(study, section):
            refuse(BLIND, "It means the mean of the experts' masks.", section, BLIND)
    for name, meaning in TAKEN.items():
        if name in study.segmenters:
            refuse(name, f"It means {meaning}.", "segmenters", name)


def _check_segmenter(study, name, entry, place: Place, problems: Problems) -> None:
    masks = list(entry.masks)
    for mask in dict.fromkeys(mask for mask in masks if masks.count(mask) > 1):
        where = place("segmenters", name, "masks")
        problems.add(where, f"{mask!r} twice", "each once", "Give weights instead.")
    for mask in entry.leave_out:
        if mask not in masks and mask in study.masks:
            where = place("segmenters", name, "leave_out", mask)
            expected = f"one of {', '.join(masks)}"
            problems.add(
                where, f"{mask!r}, from which {name} does not learn", expected, "Delete it."
            )
    if (source := study.masks.get(entry.validation)) is not None and source.graded:
        where, found = place("segmenters", name, "validation"), f"{entry.validation!r}, whose masks"
        found += " are soft or partly unknown"
        problems.add(where, found, "masks that are certain", "Validate on others.")
    if isinstance(entry.masks, Mapping) and not any(entry.masks.values()):
        where = place("segmenters", name, "masks")
        problems.add(where, "weights that are all 0", "a weight above 0", "Correct one.")
