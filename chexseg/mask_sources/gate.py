"""Which pixels of made masks are known: gates by image-level labels, a band between two cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from chexseg.config.settings import Fraction, Settings, misfit

if TYPE_CHECKING:
    import numpy as np

Policy = Literal["zeros", "ones", "ignore"]


class GateSettings(Settings):
    """What is known of the masks of an X-ray.

    Label 1 lets a mask through and label 0 keeps it empty; settings say what the other labels do.
    """

    uncertain: Policy = Field(
        "zeros",
        description="Masks of classes labelled -1: empty (zeros), let through (ones), or not known, "
        "so that they teach nothing (ignore).",
    )
    blank: Policy = Field("zeros", description="Masks of classes with a blank label; likewise.")
    certain_background: Fraction | None = Field(
        None,
        description="Pixels between this and where the mask begins are not known; none: all are. A "
        "share of the map's maximum, or a probability.",
    )


def check_band(certain_background: float | None, begins: float | str) -> None:
    """Raises a misfit if no pixel lies between the certain background and where a mask begins.

    Args:
        certain_background: see `GateSettings`.
        begins: where a mask begins, or the name of a method that finds it for each map.
    """
    if certain_background is None or isinstance(begins, str) or certain_background < begins:
        return
    found = f"certain_background {certain_background:g}, where a mask begins at {begins:g}"
    raise misfit(found, "certain_background below that", "Lower it, or delete it.")


def partly_known(settings: GateSettings) -> bool:
    """Returns whether masks may have pixels of which nothing is known."""
    ignores = "ignore" in (settings.uncertain, settings.blank)
    return ignores or settings.certain_background is not None


def gate_of(labels: np.ndarray, uncertain: float, blank: float) -> np.ndarray:
    """Turns labels into gates, by which the masks of each class are multiplied.

    Args:
        labels: [N, C] of 1, 0, -1 (uncertain) and NaN (blank).
        uncertain, blank: what these labels become, from `value_of`; or arrays [N, C].

    Returns:
        [N, C] float32 in [0, 1], or NaN where the masks of a class are not known.
    """
    import numpy as np

    gate = np.where(labels == -1, uncertain, (labels == 1).astype(np.float32))
    return np.where(np.isnan(labels), blank, gate).astype(np.float32)


def value_of(policy: str) -> float:
    """Returns the gate that a policy stands for: 0, 1, or NaN if the masks are not known."""
    return {"zeros": 0.0, "ones": 1.0, "ignore": float("nan")}[policy]
