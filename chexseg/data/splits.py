"""Splits of X-rays by patient."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

import pandas as pd

from chexseg.errors import Problems

SPLITS = ("train", "expert", "validation", "test")
"""train: labels only. expert: masks that train. validation: masks that select. test: masks that
score."""


def choose_patients(patients: pd.Series, fraction: float, seed: int) -> pd.Series:
    """Chooses whole patients until at least `fraction` of the X-rays is chosen.

    Patients are taken in the order of a hash of seed and name, so that a choice does not depend
    on the order of the table, and a larger fraction contains a smaller one.

    Args:
        patients: [N] patient of each X-ray.
        fraction: share of the X-rays to choose, 0 to 1.
        seed: of the choice.

    Returns:
        [N] bool, True where chosen. At 0 none; below 1 at least one patient is left out, if
        there are two or more.
    """
    counts = patients.value_counts()
    order = sorted(counts.index, key=lambda name: _hash(seed, name))
    wanted, chosen, number = fraction * len(patients), set(), 0
    for name in order:
        last = len(chosen) == len(order) - 1
        if number >= wanted or (last and fraction < 1 and len(order) > 1):
            break
        chosen.add(name)
        number += counts[name]
    return patients.isin(chosen)


def first_by_hash(ids: Iterable[str], number: int, seed: int) -> list[str]:
    """Chooses the first X-rays in the order of a hash of seed and id.

    A choice does not depend on the order of the ids, and a smaller number is part of a larger
    one: the 20 of a learning curve are among its 50.

    Args:
        ids: ids of the X-rays.
        number: how many to choose; all of them if there are fewer.
        seed: of the choice.

    Returns:
        The chosen ids, in the order of `ids`.
    """
    ids = list(ids)
    chosen = set(sorted(ids, key=lambda cxr_id: _hash(seed, cxr_id))[:number])
    return [cxr_id for cxr_id in ids if cxr_id in chosen]


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def check_disjoint(index: pd.DataFrame, problems: Problems) -> None:
    """Adds a problem for each patient who has X-rays in two splits.

    Where one split holds no other X-rays than another, that is the problem, told once: the same
    table was given for both.

    Args:
        index: columns cxr_id, patient, split, source (the table's file and row of each X-ray).
        problems: receives the patients.
    """
    x_rays = {split: set(rows["cxr_id"]) for split, rows in index.groupby("split", sort=False)}
    told = set()
    for one, other in itertools.combinations(x_rays, 2):
        same = x_rays[one] & x_rays[other]
        if 1 < len(same) == min(len(x_rays[one]), len(x_rays[other])):
            in_one = (index["split"] == one) & index["cxr_id"].isin(same)
            told |= set(index.loc[in_one, "patient"])
            problems.add(
                index.loc[in_one, "source"].iloc[0], f"the {len(same)} X-rays of {other}",
                f"X-rays of {one}", f"Give another table for {one} or for {other}.",
            )  # fmt: skip
    splits = index.groupby("patient")["split"].agg(lambda values: sorted(set(values)))
    for patient, names in splits[splits.map(len) > 1].items():
        if patient in told:
            continue
        where = index.loc[index["patient"] == patient, "source"].iloc[-1]
        problems.add(
            where, f"{patient} in {' and '.join(names)}", "each patient in one split",
            "Delete the patient's rows from one of the tables.",
        )  # fmt: skip
