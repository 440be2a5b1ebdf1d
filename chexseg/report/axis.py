"""The axis of a factor: where its values stand, and which of several factors has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from chexseg.report.points import Point


@dataclass(frozen=True)
class Axis:
    """The axis of a factor.

    Attributes:
        factor: its name.
        numeric: whether its values are numbers, at least two of them.
        places: text of a value -> its place. For numbers, equal distances are equal steps: of the
            numbers, or of their logarithms, whichever are more even.
        labels: of the places.
        apart: values that are not numbers, such as `unweighted`, beside numbers; they are drawn on the right.
        border: between these and the numbers.
    """

    factor: str
    numeric: bool
    places: Mapping[str, float]
    labels: Sequence[str]
    apart: tuple[str, ...] = ()
    border: float = math.nan


def axis_of(factor: str, texts: Sequence[str]) -> Axis:
    """Returns the axis of a factor with these values; equal texts are one value."""
    values = {text: _number(text) for text in texts}
    numbers = {text: value for text, value in values.items() if value is not None}
    if len(numbers) < 2:
        return Axis(factor, False, {text: float(n) for n, text in enumerate(values)}, [*values])
    ordered = sorted(numbers, key=numbers.__getitem__)
    scaled = _scaled([numbers[text] for text in ordered])
    apart = tuple(text for text in values if text not in numbers)
    step = (scaled[-1] - scaled[0]) / (len(scaled) - 1)
    places = dict(zip(ordered, scaled, strict=True))
    places |= {text: scaled[-1] + (n + 1) * step for n, text in enumerate(apart)}
    return Axis(factor, True, places, [*places], apart, scaled[-1] + step / 2)


def main_factor(points: Sequence[Point], factors: Sequence[str]) -> str:
    """Returns the factor that has the axis: the one with most numbers, or else most values."""

    def rank(factor: str) -> tuple[int, int]:
        axis = axis_of(factor, [point.levels[factor] for point in points])
        return (len(axis.places) if axis.numeric else 0, len(axis.places))

    return max(factors, key=rank)


def _scaled(numbers: list[float]) -> list[float]:
    """Returns numbers, or their logarithms if these are spaced more evenly."""
    if numbers[0] <= 0:
        return numbers
    logarithms = np.log(numbers).tolist()
    return min((numbers, logarithms), key=_unevenness)


def _unevenness(numbers: list[float]) -> float:
    """Returns the coefficient of variation of the steps between numbers."""
    steps = np.diff(numbers)
    return round(float(steps.std() / steps.mean()), 9)


def _number(text: str) -> float | None:
    """Returns a text as a number; None if it is not one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
