"""Segments any X-ray: writes masks, overlays and a table of findings."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
import tyro
from PIL import Image

from chexseg.data.coco_export import write_coco
from chexseg.data.images import image_size, open_image
from chexseg.data.layouts.chexpert_tables import cxr_id_of
from chexseg.data.masks import Rle, encode, load_json, write_masks
from chexseg.data.x_ray_files import find_x_rays
from chexseg.errors import InputError, Problems
from chexseg.files.atomic import atomic
from chexseg.files.progress import progress
from chexseg.inference.batching import device_for_inference, evaluation_mode
from chexseg.inference.ensemble import Member, Prediction, predict
from chexseg.inference.findings import describe
from chexseg.models.trained import load_segmenter
from chexseg.models.weights import Checkpoint
from chexseg.report import overlay

Form = Literal["overlays", "masks", "probabilities", "coco"]
MASKS, FINDINGS, COCO = "masks.json", "findings.csv", "coco.json"


def run(
    *,
    images: Annotated[tuple[Path, ...], tyro.conf.Positional],
    checkpoint: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction],
    out: Path = Path("predictions"),
    write: tuple[Form, ...] = ("overlays",),
    threads: int = 1,
) -> None:
    """Segment X-rays with one or several trained segmenters.

    Writes `masks.json` (CheXlocalize JSON, one entry per X-ray) and `findings.csv`: of each X-ray and
    pathology, the area of the mask, its share of the X-ray, the highest probability, the side of the
    image, the uncertainty, and the disagreement of the segmenters. Of several segmenters,
    probabilities and thresholds are averaged. The name of an X-ray is the file name without its
    suffix, or patientN_studyN_viewN_frontal for files in CheXpert's folders.

    X-rays are added to what is in the folder already. An X-ray whose name is there is refused, so that
    nothing is lost.

    Args:
        images: Files of X-rays (PNG, JPEG or DICOM), or folders of them.
        checkpoint: A segmenter's checkpoint, such as results/demo/segmenters/chexseg/checkpoint.pt.
            Give the flag several times for several segmenters of the same classes.
        out: Folder for all that is written.
        write: What else is written. overlays: a picture <name>.png of each X-ray; masks: a PNG of each
            mask, 0 and 255, masks/<name>/<pathology>.png; probabilities: a 16-bit PNG of each map of
            probabilities, 65535 for 1, probabilities/<name>/<pathology>.png; coco: coco.json, of all
            X-rays in the folder.
        threads: CPU threads.

    Raises:
        InputError: there is no X-ray, one cannot be read, two have the same name, a name is in the
            folder already, or a checkpoint is invalid. If X-rays turn out to be damaged when they are
            decoded, the others are written.
    """
    paths = _check(find_x_rays(images), out)
    device = device_for_inference(threads)
    members, trained = _load(checkpoint, device)
    classes = trained[0].classes
    problems, masks, rows = Problems("X-rays"), {}, []
    for cxr_id, path in progress(paths.items(), "predict", len(paths)):
        try:
            found = predict(members, path, device)
            _write_pictures(out, cxr_id, path, classes, found, write)
        except InputError as error:
            problems.found += error.problems
            continue
        masks[cxr_id] = dict(zip(classes, map(encode, found.masks), strict=True))
        rows += _rows(cxr_id, classes, found)
    _add(out, masks, rows, coco="coco" in write)
    print(f"Masks of {len(masks)} X-rays: {out / MASKS}, with {FINDINGS} next to it.")
    problems.raise_if_any()


def _check(paths: Sequence[Path], out: Path) -> dict[str, Path]:
    """Returns the X-rays by name, after checking all of them.

    Raises:
        InputError: see `run`.
    """
    problems, named = Problems("X-rays"), {}
    known = load_json(out / MASKS, problems) if (out / MASKS).exists() else {}
    for path in paths:
        cxr_id = cxr_id_of(path)
        if cxr_id in named:
            expected = f"names that differ; the other is {named[cxr_id]}"
            problems.add(path, "a second X-ray of this name", expected, "Rename one.")
        elif cxr_id in known:
            found, expected = f"{cxr_id!r}, which {out / MASKS} has already", "new names"
            remedy = "Choose another --out, or leave this X-ray out: nothing is written over."
            problems.add(path, found, expected, remedy)
        named.setdefault(cxr_id, path)
        try:
            image_size(path)
        except InputError as error:
            problems.found += error.problems
    problems.raise_if_any()
    return named


def _load(
    checkpoints: Sequence[Path], device: torch.device
) -> tuple[list[Member], list[Checkpoint]]:
    """Loads segmenters of the same classes.

    Raises:
        InputError: a file is no checkpoint of a segmenter, is named twice, or has other classes.
    """
    problems, members, loaded = Problems("weights"), [], []
    if not checkpoints:
        problems.add("--checkpoint", "no checkpoint", "one or more", "Name a segmenter's.")
    if len(set(checkpoints)) < len(checkpoints):
        remedy = "Name each once: a segmenter that counts twice is no second opinion."
        problems.add("--checkpoint", "a checkpoint twice", "different segmenters", remedy)
    problems.raise_if_any()
    for path in checkpoints:
        model, trained = load_segmenter(path)
        thresholds = torch.tensor(trained.extra["thresholds"])[:, None, None]
        model = evaluation_mode(model, device)
        members.append(Member(model, trained.extra["image_size"], thresholds))
        loaded.append(trained)
        if trained.classes != loaded[0].classes:
            expected = f"those of {checkpoints[0]}: {', '.join(loaded[0].classes)}"
            remedy = "Predict with segmenters of the same classes, in the same order."
            problems.add(path, f"classes {', '.join(trained.classes)}", expected, remedy)
    problems.raise_if_any()
    return members, loaded


def _rows(cxr_id: str, classes: Sequence[str], found: Prediction) -> Iterator[dict[str, Any]]:
    """Yields the rows of an X-ray in the table of findings."""
    for number, pathology in enumerate(classes):
        yield {
            "cxr_id": cxr_id,
            "pathology": pathology,
            **describe(found.masks[number], found.probability[number]),
            "disagreement": float(found.disagreement[number]),
        }


def _write_pictures(
    out: Path,
    cxr_id: str,
    path: Path,
    classes: Sequence[str],
    found: Prediction,
    write: Sequence[str],
) -> None:
    """Writes the pictures of an X-ray; only overlays need its pixels.

    Raises:
        InputError: the file cannot be read.
    """
    if "overlays" in write:
        image = np.asarray(open_image(path)[0])
        named = dict(zip(classes, found.masks, strict=True))
        overlay.draw(image, named, out / f"{cxr_id}.png")
    for number, pathology in enumerate(classes):
        name = Path(cxr_id, f"{pathology.replace('/', '_')}.png")  # a file in this folder, always
        if "masks" in write:
            _save(found.masks[number] * np.uint8(255), out / "masks" / name)
        if "probabilities" in write:
            levels = np.round(found.probability[number] * 65535.0).astype(np.uint16)
            _save(levels, out / "probabilities" / name)


def _save(values: np.ndarray, path: Path) -> None:
    with atomic(path) as temporary:
        Image.fromarray(values).save(temporary, "PNG")


def _add(
    out: Path,
    masks: Mapping[str, Mapping[str, Rle]],
    rows: Sequence[Mapping[str, Any]],
    *,
    coco: bool,
) -> None:
    """Adds masks and rows to the files of a folder, which other commands may write to as well."""
    with _locked(out):
        problems = Problems()
        before = load_json(out / MASKS, problems) if (out / MASKS).exists() else {}
        for cxr_id in before.keys() & masks.keys():
            found = f"{cxr_id!r}, which another command has added meanwhile"
            problems.add(out / MASKS, found, "new names", "Choose another --out.")
        problems.raise_if_any()
        both = {**before, **masks}
        write_masks(out / MASKS, both)
        table = pd.DataFrame(rows)
        if (out / FINDINGS).exists():
            rows_before = pd.read_csv(out / FINDINGS, dtype={"cxr_id": str}, keep_default_na=False)
            table = pd.concat([rows_before, table], ignore_index=True)
        with atomic(out / FINDINGS) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
        if coco:
            write_coco(out / COCO, both)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lets one command at a time change the files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
