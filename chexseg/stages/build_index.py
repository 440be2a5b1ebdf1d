"""Builds the index: the X-rays of a study with their labels, splits and shards."""

from __future__ import annotations

import math

import pandas as pd

from chexseg.config.settings import IndexSettings
from chexseg.data.layouts.layout import FIXED_COLUMNS
from chexseg.data.layouts.release import Release, read_release, refuse_assumed_views
from chexseg.data.splits import SPLITS, choose_patients, choose_stratified
from chexseg.errors import InputError
from chexseg.files.artifacts import Folder, Inputs, Output
from chexseg.files.atomic import atomic
from chexseg.files.progress import progress
from chexseg.provenance.digests import MEMORY, Digests


def run(
    *,
    layout: str = "chexpert",
    inputs: Inputs,
    root: Folder,
    findings: tuple[str, ...] | None = None,
    pathologies: tuple[str, ...] | None = None,
    settings: IndexSettings,
    out: Output,
) -> None:
    """List the X-rays of a study, after checking tables, files and masks.

    Only frontal X-rays are used. Validation X-rays are divided by patient into `expert` and
    `validation`; validation and test X-rays that the data lack are taken from those for training,
    by patient and with the same share of each finding. No patient is in two splits. X-rays without
    any expert mask stay in their split, since the radiologists found nothing in them. The index has
    a column per finding, and the digest of each X-ray, so that everything made from it depends on
    their content.

    Args:
        layout: Layout of the data.
        inputs: The files of the layout, by role.
        root: Data folder; every X-ray must be inside it.
        findings: Labels to read; by default the layout's.
        pathologies: Classes that the masks must have; by default the layout's.
        out: The index, a CSV with one row per X-ray.

    Raises:
        InputError: lists everything wrong with tables, files and masks.
    """
    release = read_release(layout, root, inputs, findings=findings, pathologies=pathologies)
    refused = [] if settings.assume_frontal else refuse_assumed_views(release)
    if release.problems or refused:
        raise InputError([*release.problems, *refused])
    index = index_of(release, settings)
    digests = Digests(MEMORY)
    files = progress(index["path"], "read X-rays", len(index))
    index["sha256"] = [digests.of(root / path) for path in files]
    digests.save()
    *columns, last = FIXED_COLUMNS
    with atomic(out) as temporary:
        index[[*columns, *release.findings, last]].to_csv(temporary, index=False)
    for split in SPLITS:
        rows = index[index["split"] == split]
        print(f"{split:>10}: {len(rows):>6} X-rays of {rows['patient'].nunique():>6} patients")
    print("No patient is in two splits.")


def index_of(release: Release, settings: IndexSettings) -> pd.DataFrame:
    """Selects the X-rays of a release for the study, and assigns splits and shards.

    Returns:
        One row per X-ray, with the columns of the release's table and `shard`. `height` and
        `width` are known only for X-rays of parts with masks, to avoid opening every train X-ray.
    """
    frontal = release.frontal
    parts = {split: rows.copy() for split, rows in frontal.groupby("split", sort=False)}
    for part in release.divided:
        fraction = getattr(settings, f"{part}_fraction")
        shows = parts["train"][[*release.findings]].isin([1, -1])
        chosen = choose_stratified(parts["train"]["patient"], shows, fraction, settings.seed)
        parts[part] = parts["train"][chosen].assign(split=part)
        parts["train"] = parts["train"][~chosen]
    if "train" in parts and len(parts["train"]) > (settings.max_train_images or math.inf):
        share = settings.max_train_images / len(parts["train"])
        chosen = choose_patients(parts["train"]["patient"], share, settings.seed)
        parts["train"] = parts["train"][chosen]
    if "validation" in parts and "validation" not in release.divided:
        patients = parts["validation"]["patient"]
        expert = choose_patients(patients, settings.expert_fraction, settings.seed)
        parts["validation"]["split"] = expert.map({True: "expert", False: "validation"})
    index = pd.concat([frontal[:0], *parts.values()], ignore_index=True)
    index["shard"] = index.index * settings.shards // max(1, len(index))
    return index
