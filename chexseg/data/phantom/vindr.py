"""The phantom in the layout of VinDr-CXR: DICOM files, and boxes of readers who disagree."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

from chexseg.config.phantom import PhantomSettings
from chexseg.data.boxes import Corners
from chexseg.data.layouts.vindr import CHALLENGE, NOTHING
from chexseg.data.phantom.geometry import Mask
from chexseg.data.phantom.labels import pathologies_of
from chexseg.data.phantom.radiograph import render
from chexseg.data.phantom.studies import random_of, studies_of
from chexseg.data.phantom.written import encode_masks, write_csv, write_json
from chexseg.data.readings import ABNORMALITY
from chexseg.files.progress import progress

NAMES = {
    "Enlarged Cardiomediastinum": "Aortic enlargement",
    "Cardiomegaly": "Cardiomegaly",
    "Lung Lesion": "Nodule/Mass",
    "Airspace Opacity": "Lung Opacity",
    "Edema": "Infiltration",
    "Consolidation": "Consolidation",
    "Atelectasis": "Atelectasis",
    "Pneumothorax": "Pneumothorax",
    "Pleural Effusion": "Pleural effusion",
}
"""Pathology of the phantom -> VinDr's name. Devices are in the X-rays, and nobody marks them."""

READERS = ("R8", "R9", "R10")
MISSES, INVENTS = 0.12, 0.05
"""Chance that a reader misses a lesion, and that one marks something where there is nothing."""

UNSTEADY, SMALLEST = 0.06, 0.0004
"""How far sides move, as a share of the box's side; and the smallest lesion, of the image."""

_COLUMNS = ("image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max")
_BITS = 12


def write_vindr_split(folder: Path, split: str, count: int, settings: PhantomSettings) -> None:
    """Writes the X-rays of a split, and its tables of boxes and labels.

    Three readers have read each train X-ray; boxes of test X-rays are those of the true masks, which
    are written too. Each X-ray counts as a patient. Every other file is MONOCHROME1.
    """
    boxes, labels, truth = [], [], {}
    for study in progress(studies_of(split, count, settings), f"phantom {split}", count):
        positives = pathologies_of(study.findings)
        rng = random_of(settings, split, study.index, "image")
        radiograph = render(
            rng, positives, longest_side=settings.longest_side, lesion_scale=settings.lesion_scale
        )
        image_id = hashlib.md5(f"{settings.seed}/{split}/{study.index}".encode()).hexdigest()
        path = folder / split / f"{image_id}.dicom"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_dicom(path, radiograph.image, inverted=study.index % 2 == 1)
        masks = {NAMES[name]: mask for name, mask in radiograph.masks.items() if name in NAMES}
        rng, shape = random_of(settings, split, study.index, "boxes"), radiograph.image.shape
        for reader in READERS if split == "train" else ("consensus",):
            true = [(name, box) for name, mask in masks.items() for box in boxes_of(mask)]
            read = [*_reading(rng, true, shape)] if split == "train" else true
            of = (image_id, reader)
            boxes += _rows(of, read)
            shown = {name for name, _ in read}
            flags = [int(name in shown) for name in CHALLENGE]
            labels.append((*of, *flags, int(not shown)))
        if split == "test" and masks:
            whole = {**masks, ABNORMALITY: np.any([*masks.values()], axis=0)}
            truth[image_id] = encode_masks(whole, (*CHALLENGE, ABNORMALITY), shape)
    columns = ("image_id", "rad_id", *CHALLENGE, NOTHING)
    annotations = folder / "annotations"
    annotations.mkdir(exist_ok=True)
    if split == "train":
        write_csv(annotations / "annotations_train.csv", _COLUMNS, boxes)
        write_csv(annotations / "image_labels_train.csv", columns, labels)
        return
    # A consensus has no reader.
    without = [(row[:3] + row[4:]) for row in boxes]
    write_csv(annotations / "annotations_test.csv", _COLUMNS[:3] + _COLUMNS[4:], without)
    without = [(row[:1] + row[2:]) for row in labels]
    write_csv(annotations / "image_labels_test.csv", columns[:1] + columns[2:], without)
    write_json(folder / "masks" / "segmentations_test.json", truth)


def boxes_of(mask: Mask) -> list[Corners]:
    """Returns the boxes around the connected parts of a mask, without the tiny ones."""
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        if (labels[rows, columns] == number).sum() >= SMALLEST * mask.size:
            corners = columns.start, rows.start, columns.stop, rows.stop
            found.append(tuple(map(float, corners)))
    return found


def _reading(
    rng: np.random.Generator, true: list[tuple[str, Corners]], shape: tuple[int, int]
) -> Iterator[tuple[str, Corners]]:
    """Yields what a reader marks: boxes with moved sides, some missed, and rarely an invented one."""
    height, width = shape
    most = np.array([width, height, width, height], float)
    for name, corners in true:
        missed, moves = rng.random() < MISSES, rng.normal(0, UNSTEADY, 4)
        sides = np.array([corners[2] - corners[0], corners[3] - corners[1]] * 2)
        moved = (np.array(corners) + moves * sides).clip(0, most).round(1)
        if not missed and (moved[2:] - moved[:2] >= 1).all():
            yield name, tuple(moved.tolist())
    invents, place, name = rng.random() < INVENTS, rng.random(4), rng.choice([*NAMES.values()])
    if invents:
        low = np.array([width, height]) * (0.15 + 0.4 * place[:2])
        corners = np.concatenate([low, low + np.array([width, height]) * (0.1 + 0.15 * place[2:])])
        yield str(name), tuple(corners.round(1).tolist())


def _rows(of: tuple[str, str], read: list[tuple[str, Corners]]) -> list[tuple[object, ...]]:
    """Returns the rows of a reader, and one without a box if there is nothing."""
    image_id, reader = of
    if not read:
        return [(image_id, NOTHING, len(CHALLENGE), reader, "", "", "", "")]
    return [(image_id, name, CHALLENGE.index(name), reader, *corners) for name, corners in read]


def write_dicom(path: Path, image: np.ndarray, *, inverted: bool) -> None:
    """Writes a grey image, uint8 [H, W], as an X-ray of 12 bits without a patient.

    Equal images give equal bytes. Opened again, they are the same to within a grey level.

    Args:
        path: the file.
        image: as it is shown, bone bright.
        inverted: whether bone is dark in the file (MONOCHROME1).
    """
    most = 2**_BITS - 1
    values = np.round(image.astype(float) * most / 255).astype("<u2")
    header = Dataset()
    header.SOPClassUID = DigitalXRayImageStorageForPresentation
    header.SOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    header.Modality, header.SamplesPerPixel = "DX", 1
    header.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    header.Rows, header.Columns = image.shape
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, _BITS, _BITS - 1
    header.PixelRepresentation = 0
    header.WindowCenter, header.WindowWidth = 2 ** (_BITS - 1), 2**_BITS
    header.PixelData = (most - values if inverted else values).astype("<u2").tobytes()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)
