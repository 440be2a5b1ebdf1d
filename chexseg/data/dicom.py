"""Reads X-rays from DICOM files, in the form of `chexseg.data.images`.

Of a header, only the elements are read that say what the pixels mean. Names, ids and dates of patients,
and private elements, are never parsed, and no text of a header or of a decoder's error is repeated in a
message.
"""

from __future__ import annotations

import io
import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut, get_decoder, pixel_array
from pydicom.uid import UID, RLELossless

from chexseg.data.images import LONGEST_SIDE, MOST_PIXELS
from chexseg.errors import InputError, Problem

ELEMENTS = (
    "SOPClassUID", "Modality", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames",
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "ModalityLUTSequence", "RescaleSlope",
    "RescaleIntercept", "VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth",
    "PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing", "PixelData",
)  # fmt: skip
"""Keywords of the elements that are read."""

MODALITIES = ("CR", "DX", "DR", "RG")
"""Modalities of plain X-rays; an anonymised file may lack its modality."""

OTHERS = ("CT", "MG", "MR", "NM", "OT", "PT", "PX", "RF", "SC", "US", "XA")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
"""Other modalities and photometric interpretations that a message names if a file has them."""

MOST_STRETCH = 4.0
"""Maximum ratio of the sides of a pixel."""

SAME_SIDES = 0.01
"""Pixels are square if their sides differ by less than this share."""

CHUNK = 2**16
"""Number of bytes that may be read without asking how many there are."""

DARKEST, BRIGHTEST = -1e12, 1e12
"""Values beyond any pixel's: what a window makes of them are the ends of its range."""


def open_dicom(path: str | Path) -> tuple[Image.Image, int, int]:
    """Opens an X-ray as 8-bit grey, as it would be shown: bone bright, air dark.

    Stored values become physical ones (modality LUT, or slope and intercept), then those of the first
    VOI LUT or window. Without either, the lowest value becomes black and the highest white. MONOCHROME1
    is inverted; padding is black. If pixels are not square, the image is stretched until they are.

    Args:
        path: a DICOM file with one grey frame, compressed or not.

    Returns:
        The image, and its height and width, which differ from those of the file by `stretch_of`.

    Raises:
        InputError: missing, not DICOM, not an X-ray, several frames, colour, no pixels, damaged or
            truncated, implausibly large, or compressed in a way for which a plugin is missing.
    """
    with _errors_of(path):
        header = _read(path)
        _check(path, header, pixels=True)
        down, right = stretch_of(header)
        image = Image.fromarray(_grey(header, _stored(header)))
        height, width = round(image.height * down), round(image.width * right)
        if (height, width) != (image.height, image.width):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return image, height, width


def dicom_size(path: str | Path) -> tuple[int, int]:
    """Returns height and width of an X-ray from its header, as `open_dicom` gives them.

    Raises:
        InputError: see `open_dicom`; pixels are not decoded.
    """
    with _errors_of(path):
        header = _read(path, stop_before_pixels=True)
        _check(path, header, pixels=False)
        down, right = stretch_of(header)
        return round(header.Rows * down), round(header.Columns * right)


def dicom_stretch(path: str | Path) -> tuple[float, float]:
    """Returns by how much `open_dicom` stretches an X-ray down and to the right, each at least 1.

    Boxes of the file's pixels move alike: x by the second number, y by the first.

    Raises:
        InputError: see `dicom_size`.
    """
    with _errors_of(path):
        header = _read(path, stop_before_pixels=True)
        _check(path, header, pixels=False)
        return stretch_of(header)


def stretch_of(header: Dataset) -> tuple[float, float]:
    """Returns by how much rows and columns must be stretched so that pixels are square.

    Raises:
        ValueError: the sides of a pixel are no positive numbers, or differ too much.
    """
    for keyword in ("PixelAspectRatio", "ImagerPixelSpacing", "PixelSpacing"):
        if header.get(keyword):
            tall, wide = (float(side) for side in header.get(keyword))
            ratio = tall / wide if wide > 0 else math.nan
            if not 1 / MOST_STRETCH <= ratio <= MOST_STRETCH:
                raise ValueError("implausible sides of a pixel")
            if abs(ratio - 1) < SAME_SIDES:
                return 1.0, 1.0
            return max(ratio, 1.0), max(1 / ratio, 1.0)
    return 1.0, 1.0


@contextmanager
def _errors_of(path: str | Path) -> Iterator[None]:
    """Raises all errors of a block as InputError, without the text of the original, and silences it."""
    found, remedy = "", "Fetch the file again."
    try:
        with _silent():  # all of it, since pydicom converts values only when they are used
            yield
    except (InputError, MemoryError):
        raise
    except FileNotFoundError:
        found, remedy = "no such file", "Correct the path, or fetch the X-ray."
    except (PermissionError, IsADirectoryError):
        found, remedy = "an unreadable file", "Ask the owner of the file for permission to read it."
    except InvalidDicomError:
        found, remedy = "a file that is not DICOM", "Correct the path, or convert the file."
    except Exception as error:  # damaged bytes can make a decoder raise anything
        found = f"damaged or truncated content ({type(error).__name__})"
    if found:
        # Not chained to the original, whose text may hold parts of the header.
        raise InputError([Problem(str(path), found, "a DICOM X-ray", remedy, "X-rays")]) from None


@contextmanager
def _silent() -> Iterator[None]:
    """Silences warnings and logs of pydicom in a block, since they may quote values of the header."""
    logger = logging.getLogger("pydicom")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # its children have no level of their own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


class _Bounded(io.BufferedReader):
    """Reads a file; a damaged length of 4 GB asks for no more memory than the file has bytes."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > CHUNK:
            size = min(size, os.fstat(self.fileno()).st_size - self.tell())
        return super().read(size)


def _read(path: str | Path, *, stop_before_pixels: bool = False) -> Dataset:
    with _Bounded(io.FileIO(os.fspath(path))) as file:
        return dcmread(file, stop_before_pixels=stop_before_pixels, specific_tags=[*ELEMENTS])


def _stored(header: Dataset) -> np.ndarray:
    """Returns the pixels as integers, as they are in the file: [H, W].

    Raises:
        Exception: of any kind, if they are damaged.
    """
    # Other decoders of run lengths may be installed; which one decodes must not depend on that.
    own = {"decoding_plugin": "pydicom"} if _syntax(header) == RLELossless else {}
    stored = pixel_array(header, **own)
    if stored.shape != (header.Rows, header.Columns) or stored.dtype.itemsize > 2:
        raise ValueError("pixels of another size than the header's, or of more than 16 bits")
    return stored


def _syntax(header: Dataset) -> UID:
    return header.file_meta.TransferSyntaxUID


def _check(path: str | Path, header: Dataset, *, pixels: bool) -> None:
    """Raises InputError if a file is not one grey frame of an X-ray that can be decoded."""
    fault = _fault(header, pixels=pixels)
    if fault:
        raise InputError([Problem(str(path), *fault, "X-rays")])


def _fault(header: Dataset, *, pixels: bool) -> tuple[str, str, str] | None:
    """Returns what is wrong with a file: (found, expected, remedy)."""
    other = "Leave the file out."
    modality = header.get("Modality") or MODALITIES[0]
    if modality not in MODALITIES:
        found = f"modality {modality}" if modality in OTHERS else "another modality"
        return found, f"an X-ray: modality {', '.join(MODALITIES)}", other
    if "Rows" not in header or "Columns" not in header or (pixels and "PixelData" not in header):
        # pydicom drops compressed pixels whose end is missing.
        return "no pixels, or only a part of them", "an image", "Fetch the file again."
    if int(header.get("NumberOfFrames") or 1) != 1:
        return "several frames", "one frame", "Extract the frame to use."
    photometric = header.get("PhotometricInterpretation")
    if photometric in COLOURS or header.get("SamplesPerPixel", 1) != 1:
        expected = "a grey image: MONOCHROME1 or MONOCHROME2"
        return f"colour ({photometric})" if photometric in COLOURS else "colour", expected, other
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        found = "no photometric interpretation that is known"
        return found, "MONOCHROME1 or MONOCHROME2", other
    height, width = header.Rows, header.Columns
    if not 0 < max(height, width) <= LONGEST_SIDE or not 0 < height * width <= MOST_PIXELS:
        expected = f"an X-ray: at most {LONGEST_SIDE} per side and {MOST_PIXELS} in total"
        return f"{width} x {height} pixels", expected, "Replace the file with a smaller copy."
    return _missing_plugin(header) if pixels else None


def _missing_plugin(header: Dataset) -> tuple[str, str, str] | None:
    """Returns what is wrong if no installed plugin decodes the pixels of a file."""
    syntax = _syntax(header)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return "an unknown compression", "one that pydicom decodes", "Convert the file."
    if decoder.is_available:
        return None
    plugins = " or ".join(decoder.missing_dependencies)
    return (
        f"pixels compressed as {syntax.name}",
        "an installed plugin for it",
        f"Install {plugins}.",
    )


def _grey(header: Dataset, stored: np.ndarray) -> np.ndarray:
    """Returns the pixels as they would be shown: uint8 [H, W].

    It computes the grey of each value that occurs, of which there are few, and looks it up.

    Args:
        header: the header.
        stored: integers of at most 16 bits, [H, W].
    """
    first = int(stored.min())
    place = stored.astype(np.int32) - first
    occurs = np.zeros(int(place.max()) + 1, bool)
    occurs[place] = True
    values = (np.flatnonzero(occurs) + first).astype(stored.dtype)
    padding = _padding(header, values)
    shown, (low, high) = _windowed(header, apply_modality_lut(values, header), padding)
    shares = (
        (shown.astype(np.float64) - low) / (high - low) if high > low else np.zeros(len(values))
    )
    if header.PhotometricInterpretation == "MONOCHROME1":
        shares = 1 - shares
    shares[padding] = 0
    levels = np.zeros(len(occurs), np.uint8)
    # Rounded twice, so that an image and its inverted twin agree on what lies between two levels.
    levels[occurs] = np.floor((shares.clip(0, 1) * 255).round(6) + 0.5)
    return levels[place]


def _windowed(
    header: Dataset, values: np.ndarray, padding: np.ndarray
) -> tuple[np.ndarray, tuple[float, float]]:
    """Applies the first VOI LUT or window; returns the values, and those of black and white."""
    if header.get("VOILUTSequence"):
        table = header.VOILUTSequence[0]
        return apply_voi_lut(values, header, index=0), (0, 2 ** int(table.LUTDescriptor[2]) - 1)
    if header.get("WindowWidth") is not None and header.get("WindowCenter") is not None:
        ends = apply_voi_lut(np.array([DARKEST, BRIGHTEST]), header, index=0)
        return apply_voi_lut(values, header, index=0), (float(ends.min()), float(ends.max()))
    kept = values[~padding]
    return values, (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)


def _padding(header: Dataset, values: np.ndarray) -> np.ndarray:
    """Returns which stored values are padding and not part of the X-ray: bool, as `values`."""
    value = header.get("PixelPaddingValue")
    if value is None:
        return np.zeros(values.shape, bool)
    low, high = sorted((int(value), int(header.get("PixelPaddingRangeLimit", value))))
    return (values >= low) & (values <= high)
