"""Diseases of a phantom patient, and the labels that a report labeller derives from them."""

from __future__ import annotations

import numpy as np

from chexseg.config.phantom import PhantomSettings
from chexseg.data.layouts.chexpert import LABEL_COLUMNS, PATHOLOGIES, column_of


def draw_findings(rng: np.random.Generator, normal: float) -> frozenset[str]:
    """Draws the observations of one study; `No Finding` can occur only with support devices.

    Diseases occur together as in hospital: heart failure causes oedema and effusions, consolidation
    comes with pneumonia, and all of these are lung opacities.

    Args:
        rng: the only source of randomness.
        normal: chance of no disease.
    """
    if rng.random() < normal:
        return frozenset({"No Finding"} | ({"Support Devices"} if rng.random() < 0.15 else set()))
    while True:
        found = _draw_sick(rng)
        if found - {"Support Devices"}:
            return frozenset(found)


def _draw_sick(rng: np.random.Generator) -> set[str]:
    severity = rng.normal()

    def happens(probability: float) -> bool:
        odds = probability / (1 - probability) * np.exp(0.5 * severity)
        return rng.random() < odds / (1 + odds)

    found = set()
    if happens(0.24):
        found.add("Cardiomegaly")
    if happens(0.92 if "Cardiomegaly" in found else 0.16):
        found.add("Enlarged Cardiomediastinum")
    if happens(0.27 if "Cardiomegaly" in found else 0.06):
        found.add("Edema")
    if happens(0.42 if "Edema" in found else 0.2):
        found.add("Pleural Effusion")
    for name, probability in (
        ("Consolidation", 0.115),
        ("Atelectasis", 0.15),
        ("Pneumothorax", 0.13),
        ("Lung Lesion", 0.15),
        ("Pleural Other", 0.04),
        ("Fracture", 0.05),
        ("Support Devices", 0.36),
    ):
        if happens(probability):
            found.add(name)
    if found & {"Edema", "Consolidation", "Atelectasis"} or happens(0.05):
        found.add("Lung Opacity")
    if "Lung Opacity" in found and happens(0.45 if "Consolidation" in found else 0.1):
        found.add("Pneumonia")
    return found


def pathologies_of(findings: frozenset[str]) -> list[str]:
    """Returns the pathologies among the observations, under their names in masks."""
    return [pathology for pathology in PATHOLOGIES if column_of(pathology) in findings]


def true_labels(findings: frozenset[str]) -> list[str]:
    """Returns the 14 labels of an expert panel: 1.0 or 0.0."""
    return ["1.0" if name in findings else "0.0" for name in LABEL_COLUMNS]


def report_labels(
    rng: np.random.Generator, findings: frozenset[str], settings: PhantomSettings
) -> list[str]:
    """Returns the 14 labels of a report labeller: some are wrong, -1.0 or blank."""
    labels = []
    for name in LABEL_COLUMNS:
        flipped, uncertain, unmentioned = rng.random(3) < (
            settings.label_noise,
            settings.uncertain,
            settings.blank,
        )
        positive = (name in findings) != flipped
        if uncertain and name != "No Finding":
            labels.append("-1.0")
        elif positive:
            labels.append("1.0")
        else:
            labels.append("" if unmentioned else "0.0")
    return labels
