"""Decoding X-rays into arrays, and the letterbox and its inverse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from chexseg.data.file_kinds import kind_of, remedy_for
from chexseg.errors import Problems

FORMATS = ("PNG", "JPEG")
DICOM_SUFFIXES = (".dcm", ".dicom")
LONGEST_SIDE = 50_000
MOST_PIXELS = 2**26
"""Maximum number of pixels of an X-ray. A detector has 2**24; decoding takes up to 9 bytes each."""

BAND = 64
"""Number of rows of a 16-bit X-ray that are converted at once."""


@dataclass(frozen=True)
class Letterbox:
    """Fits an image of `height` x `width` pixels into a centred square, keeping its aspect ratio.

    The longest side becomes `size` pixels; the rest of the square is empty.
    """

    height: int
    width: int
    size: int

    @property
    def inner(self) -> tuple[int, int]:
        """Height and width of the image inside the square, at least 1 each."""
        longest = max(self.height, self.width)
        fit = [max(1, round(side * self.size / longest)) for side in (self.height, self.width)]
        return fit[0], fit[1]

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the image's first pixel inside the square."""
        height, width = self.inner
        return (self.size - height) // 2, (self.size - width) // 2

    def image(self, image: Image.Image) -> np.ndarray:
        """Returns the letterboxed grey image, uint8 [size, size]; outside it is 0."""
        height, width = self.inner
        square = np.zeros((self.size, self.size), np.uint8)
        small = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
        square[self.inside] = np.asarray(small)
        return square

    def masks(self, masks: np.ndarray) -> np.ndarray:
        """Letterboxes masks: bool [P, height, width] -> bool [P, size, size].

        A pixel of the square is set if the mask covers at least half of its area.
        """
        square = np.zeros((len(masks), self.size, self.size), bool)
        height, width = self.inner
        for mask, target in zip(masks, square, strict=True):
            if mask.any():
                small = Image.fromarray(mask.astype(np.uint8) * 255).resize(
                    (width, height), Image.Resampling.BOX
                )
                target[self.inside] = np.asarray(small) > 127
        return square

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the square that the image fills."""
        (top, left), (height, width) = self.corner, self.inner
        return slice(top, top + height), slice(left, left + width)


def open_image(path: str | Path, *, longest: int | None = None) -> tuple[Image.Image, int, int]:
    """Opens an X-ray as 8-bit grey, rotated according to its EXIF data.

    Args:
        path: PNG, JPEG or DICOM. Of 16-bit grey PNG, the bits in use are scaled to 8; colour is converted
            to luminance. How DICOM is read is in `chexseg.data.dicom.open_dicom`.
        longest: if given, a JPEG may be decoded at reduced size, but not below this side.

    Returns:
        The image, and its height and width in the file (after rotation, and with square pixels).

    Raises:
        InputError: missing, not an image, truncated, or implausibly large; or DICOM that is no
            plain X-ray or cannot be decoded.
    """
    if is_dicom(path):
        from chexseg.data.dicom import open_dicom

        return open_dicom(path)
    with _opened(path) as image:
        height, width = _turned_size(image)
        if longest is not None:
            image.draft("L", (2 * longest, 2 * longest))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _grey(image), height, width


def letterboxed(path: str | Path, size: int) -> np.ndarray:
    """Returns an X-ray in the form that models take: letterboxed, uint8 [size, size].

    Raises:
        InputError: see `open_image`.
    """
    image, height, width = open_image(path, longest=size)
    return Letterbox(height, width, size).image(image)


def image_size(path: str | Path) -> tuple[int, int]:
    """Returns height and width from the header of an image, as `open_image` gives them.

    Raises:
        InputError: missing, or not an image.
    """
    if is_dicom(path):
        from chexseg.data.dicom import dicom_size

        return dicom_size(path)
    with _opened(path) as image:
        return _turned_size(image)


def image_stretch(path: str | Path) -> tuple[float, float]:
    """Returns by how much `open_image` stretches an X-ray down and to the right: 1 but for DICOM.

    Raises:
        InputError: DICOM that cannot be read.
    """
    if is_dicom(path):
        from chexseg.data.dicom import dicom_stretch

        return dicom_stretch(path)
    return 1.0, 1.0


def is_dicom(path: str | Path) -> bool:
    """Returns whether a file is DICOM: by its name, or by the letters DICM behind its preamble."""
    if Path(path).suffix.lower() in DICOM_SUFFIXES:
        return True
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:  # whoever opens the file reports it
        return False


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """Opens an image, reading only its header; raises all errors of the block as InputError."""
    problems = Problems("X-rays")
    Image.MAX_IMAGE_PIXELS = None  # Pillow's limit is higher than ours, and warns before it raises
    try:
        # Only these formats: Pillow knows sixty, and runs Ghostscript to read some of them.
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if max(width, height) <= LONGEST_SIDE and width * height <= MOST_PIXELS:
                yield image
            else:
                most = f"an X-ray: at most {LONGEST_SIDE} per side and {MOST_PIXELS} in total"
                remedy = "Replace the file, with a smaller copy if it is an X-ray."
                problems.add(path, f"{width} x {height} pixels", most, remedy)
    except FileNotFoundError:
        remedy = "Correct the path, or fetch the X-ray; or delete its row if a table lists it."
        problems.add(path, "no such file", "an X-ray", remedy)
    except PermissionError:
        remedy = "Ask the owner of the file for permission to read it."
        problems.add(path, "an unreadable file", "an X-ray", remedy)
    except MemoryError:  # sizes were checked, so this machine is too small
        raise
    except Exception as error:  # damaged bytes can make a decoder raise anything
        found, remedy = f"a damaged image ({error})", "Fetch the file again."
        if kind := kind_of(path):
            found, remedy = kind, remedy_for(kind)
        problems.add(path, found, "a PNG, JPEG or DICOM", remedy)
    problems.raise_if_any()


def _turned_size(image: Image.Image) -> tuple[int, int]:
    """Returns height and width of an image after rotation by EXIF."""
    width, height = image.size
    return (width, height) if image.getexif().get(0x0112, 1) in (5, 6, 7, 8) else (height, width)


def _grey(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image if image.mode == "L" else image.convert("L")
    values = np.asarray(image)
    top = 2.0 ** max(8, int(values.max()).bit_length()) - 1  # the bits in use: often 12 of 16
    grey = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), BAND):  # float64 for the whole image would take too much
        band = values[start : start + BAND].astype(np.float64)
        grey[start : start + BAND] = np.round(band.clip(0, top) * (255.0 / top))
    return Image.fromarray(grey)
