"""Splits of X-rays by patient."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

import pandas as pd

from chexseg.errors import InputError, Problem, Problems

SPLITS = ("train", "expert", "validation", "test")
"""train: labels only. expert: masks for training. validation: masks for model selection. test:
masks for scoring."""


def choose_patients(patients: pd.Series, fraction: float, seed: int) -> pd.Series:
    """Chooses whole patients until at least `fraction` of the X-rays is chosen.

    Patients are ordered by a hash of seed and name, so the choice does not depend on the order of
    the table, and a larger fraction contains every smaller one.

    Args:
        patients: [N] patient of each X-ray.
        fraction: share of the X-rays to choose, 0 to 1.
        seed: seed of the choice.

    Returns:
        [N] bool, True where chosen. A fraction of 0 chooses none. A fraction below 1 leaves out at
        least one patient if there are two or more.
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


def choose_stratified(
    patients: pd.Series, shows: pd.DataFrame, fraction: float, seed: int
) -> pd.Series:
    """Chooses whole patients so that about the same share of those with each finding is chosen.

    Findings are gone through from the rarest to the most frequent, and last the patients without
    any (iterative stratification: Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011). Of each, patients
    are chosen in the order of a hash, less those that a rarer finding has chosen already.

    Args:
        patients: [N] patient of each X-ray.
        shows: bool [N, F], which findings an X-ray may show; rows as in `patients`.
        fraction: share to choose, 0 to 1.
        seed: seed of the choice.

    Returns:
        [N] bool, True where chosen; if there are two or more patients, some are and some are not.
    """
    has = shows.groupby(patients).any()
    order = sorted(has.index, key=lambda name: _hash(seed, name))
    chosen: dict[str, bool] = {}
    counts = has.sum()
    columns = [has[name] for name in sorted(has.columns, key=lambda each: (counts[each], each))]
    for column in [*columns, ~has.any(axis=1)]:
        mine = [name for name in order if column[name]]
        number = round(fraction * len(mine)) - sum(chosen.get(name, False) for name in mine)
        for place, name in enumerate(name for name in mine if name not in chosen):
            chosen[name] = place < number
    if len(order) > 1 and len(set(chosen.values())) == 1:
        chosen[order[0]] = not chosen[order[0]]
    return patients.map(chosen)


def first_by_hash(ids: Iterable[str], number: int, seed: int) -> list[str]:
    """Chooses the first X-rays in the order of a hash of seed and id.

    The choice does not depend on the order of the ids, and a larger number contains every smaller
    one: on a learning curve, the 20 X-rays are among the 50.

    Args:
        ids: ids of the X-rays.
        number: how many to choose; all of them if there are fewer.
        seed: seed of the choice.

    Returns:
        The chosen ids, in the order of `ids`.
    """
    ids = list(ids)
    chosen = set(sorted(ids, key=lambda cxr_id: _hash(seed, cxr_id))[:number])
    return [cxr_id for cxr_id in ids if cxr_id in chosen]


def first_of_train(ids: Iterable[str], number: int | None) -> list[str]:
    """Chooses train X-rays: the same for every classifier and source of masks that takes so many.

    Args:
        ids: all train X-rays.
        number: how many to choose, the first in the order of a hash of their ids; None: all.

    Returns:
        The chosen ids, in the order of `ids`.

    Raises:
        InputError: there are fewer.
    """
    ids = list(ids)
    if number is not None and number > len(ids):
        found, expected = f"{len(ids)} train X-rays", f"{number}, as the config asks for"
        raise InputError([Problem("split train", found, expected, "Lower the number.", "config")])
    return ids if number is None else first_by_hash(ids, number, seed=0)


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def check_disjoint(index: pd.DataFrame, problems: Problems) -> None:
    """Adds a problem for each patient who has X-rays in two splits.

    If all X-rays of a split are in another one, a single problem is added instead: the same table
    was probably given for both.

    Args:
        index: columns cxr_id, patient, split, source (where a table lists the X-ray).
        problems: the problems are added here.
    """
    x_rays = {split: set(rows["cxr_id"]) for split, rows in index.groupby("split", sort=False)}
    reported = set()
    for one, other in itertools.combinations(x_rays, 2):
        same = x_rays[one] & x_rays[other]
        if 1 < len(same) == min(len(x_rays[one]), len(x_rays[other])):
            in_one = (index["split"] == one) & index["cxr_id"].isin(same)
            reported |= set(index.loc[in_one, "patient"])
            problems.add(
                index.loc[in_one, "source"].iloc[0], f"the {len(same)} X-rays of {other}",
                f"X-rays of {one}", f"Provide another table for {one} or for {other}.",
            )  # fmt: skip
    splits = index.groupby("patient")["split"].agg(lambda values: sorted(set(values)))
    for patient, names in splits[splits.map(len) > 1].items():
        if patient in reported:
            continue
        where = index.loc[index["patient"] == patient, "source"].iloc[-1]
        problems.add(
            where, f"{patient} in {' and '.join(names)}", "each patient in one split",
            "Delete the patient's rows from one of the tables.",
        )  # fmt: skip
