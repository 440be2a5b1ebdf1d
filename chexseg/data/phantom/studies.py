"""The studies of the phantom: who is in them, and what they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chexseg.config.phantom import PhantomSettings
from chexseg.data.phantom.labels import draw_findings

_FIRST_PATIENT = {"train": 1, "val": 70001, "test": 85001}
_STUDIES = 3  # maximum per patient


@dataclass(frozen=True)
class Study:
    """Describes one study; `index` counts the studies of a split, each with one frontal X-ray."""

    index: int
    patient: int
    study: int
    sex: str
    age: int
    findings: frozenset[str]
    lateral: bool

    def image_path(self, view: str) -> str:
        return f"patient{self.patient:05d}/study{self.study}/{view}.jpg"

    def cxr_id(self, view: str) -> str:
        return f"patient{self.patient:05d}_study{self.study}_{view}"


def random_of(settings: PhantomSettings, split: str, index: int, use: str) -> np.random.Generator:
    """Returns a separate generator for each use of each image, so that no draw affects another."""
    place = [settings.seed, tuple(_FIRST_PATIENT).index(split), index]
    number = ("image", "study", "labels", "reader", "boxes").index(use)
    return np.random.default_rng(np.random.SeedSequence(place, spawn_key=(number,)))


def studies_of(split: str, count: int, settings: PhantomSettings) -> Iterator[Study]:
    """Yields `count` studies; about one in five is of the same patient as the previous one."""
    patient, study, sex, age = _FIRST_PATIENT[split] - 1, _STUDIES, "", 0
    for index in range(count):
        rng = random_of(settings, split, index, "study")
        again, lateral = rng.random() < 0.22, rng.random() < settings.lateral
        new_sex = "Female" if rng.random() < 0.45 else "Male"
        new_age = int(np.clip(rng.normal(62, 17), 18, 90))
        if again and study < _STUDIES:
            study += 1
        else:
            patient, study, sex, age = patient + 1, 1, new_sex, new_age
        findings = draw_findings(rng, settings.normal)
        yield Study(index, patient, study, sex, age, findings, lateral and split == "train")
