"""Heat maps in CheXlocalize's form: a pickle for each X-ray and pathology, read without running code.

A file `<cxr_id>_<pathology>_map.pkl` holds a mapping with `map`, a tensor or array [1, 1, h, w], and
`cxr_dims`, the width and height of the X-ray.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from chexseg.data.masks import MAX_PIXELS, MAX_SIDE, Rle, encode
from chexseg.errors import Problems

SUFFIX = "_map.pkl"
EXPECTED = "a heat map: {'map': [1, 1, h, w], 'cxr_dims': (width, height)}"


def read_heat_maps(
    folder: Path, *, pathologies: Sequence[str], peaks: bool
) -> dict[str, dict[str, Rle]]:
    """Reads the heat maps of a folder as masks, after checking all of them.

    Args:
        folder: it and its subfolders hold the files.
        pathologies: those to read.
        peaks: whether a mask is the pixel with the highest value, the first of equal ones, row by
            row; otherwise it is what Otsu's method cuts.

    Returns:
        cxr_id -> pathology -> mask at the size of the X-ray, only those that have a file.

    Raises:
        InputError: there is no file, or one is no heat map, would run code when unpickled, or is a
            second of its X-ray and pathology.

    Source: `heatmap_to_segmentation.py` and `eval.py` in CheXlocalize's code: maps are resized
    bilinearly, then scaled to whole levels of 0 to 255.
    """
    problems, masks = Problems("masks"), {}
    paths = sorted(folder.rglob(f"*{SUFFIX}"))
    if not paths:
        remedy = "Name the folder of the heat maps."
        problems.add(folder, "no heat map", f"files named <cxr_id>_<pathology>{SUFFIX}", remedy)
    for path in paths:
        cxr_id, _, pathology = path.name.removesuffix(SUFFIX).rpartition("_")
        if pathology not in pathologies:
            continue
        of_x_ray = masks.setdefault(cxr_id, {})
        if pathology in of_x_ray:
            problems.add(path, "a second heat map", "one of each X-ray", "Delete one of the two.")
        resized = _resized(path, problems)
        if resized is not None:
            of_x_ray[pathology] = encode(peak_mask(resized) if peaks else otsu_mask(resized))
    problems.raise_if_any()
    return masks


def peak_mask(heat: np.ndarray) -> np.ndarray:
    """Returns a mask of the pixel with the highest value, the first of equal ones: bool [H, W]."""
    mask = np.zeros(heat.shape, bool)
    mask.flat[np.argmax(heat)] = True
    return mask


def otsu_mask(heat: np.ndarray) -> np.ndarray:
    """Returns what Otsu's method cuts from a map in levels of 0 to 255: bool [H, W].

    A map that is the same everywhere gives an empty mask.
    """
    from skimage.filters import threshold_otsu

    above = heat - heat.min()
    if not above.max() > 0:
        return np.zeros(heat.shape, bool)
    levels = (255 * (above / above.max())).astype(np.uint8)
    return levels > threshold_otsu(levels)


def _resized(path: Path, problems: Problems) -> np.ndarray | None:
    """Returns a heat map at the size of its X-ray, float32 [H, W]; None after adding a problem."""
    try:
        content = read_pickle(path)
    except OSError as error:
        problems.add(path, error.strerror or str(error), EXPECTED, "Correct the path.")
        return None
    except Exception as error:  # damaged bytes can make the unpickler raise anything
        remedy = "Save tensors, arrays and numbers only; no code of a file is ever run."
        problems.add(path, f"no plain pickle ({str(error)[:80]})", EXPECTED, remedy)
        return None
    heat, size = _parts(content)
    if heat is None or size is None:
        problems.add(path, "another content", EXPECTED, "Write it as CheXlocalize does.")
        return None
    resized = functional.interpolate(
        heat[None, None], size=size, mode="bilinear", align_corners=False
    )
    return resized[0, 0].numpy()


def _parts(content: Any) -> tuple[torch.Tensor | None, tuple[int, int] | None]:
    """Returns the map, float32 [h, w], and height and width of the X-ray; None for what is wrong."""
    if not isinstance(content, dict):
        return None, None
    heat, size = content.get("map"), content.get("cxr_dims")
    if isinstance(heat, np.ndarray) and heat.dtype.kind in "fiu":
        heat = torch.from_numpy(np.ascontiguousarray(heat, np.float32))
    if not isinstance(heat, torch.Tensor) or heat.is_complex() or heat.numel() > MAX_PIXELS:
        heat = None
    else:
        sides, heat = heat.shape[-2:], heat.detach().float()
        sound = len(sides) == 2 and 0 < heat.numel() == sides.numel() and heat.isfinite().all()
        heat = heat.reshape(sides) if sound else None
    try:
        width, height = (int(side) for side in size)
    except (TypeError, ValueError):
        return heat, None
    fits = all(0 < side <= MAX_SIDE for side in (width, height)) and width * height <= MAX_PIXELS
    return heat, (height, width) if fits else None


def read_pickle(path: Path) -> Any:
    """Returns the content of a pickle of tensors, arrays and plain values.

    Raises:
        pickle.UnpicklingError: it names anything else, which unpickling could run.
    """
    with open(path, "rb") as file:
        return _Plain(file).load()


class _Plain(pickle.Unpickler):
    """Unpickles only what `_KNOWN` lists."""

    def find_class(self, module: str, name: str) -> Any:
        for (known, of), make in _KNOWN:
            if name == of and module in known:
                return make
        raise pickle.UnpicklingError(f"it would call {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to other files")


def _storage(content: bytes) -> Any:
    """Returns the storage of a tensor, which torch pickles as a file within the file."""
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _array(_: None, shape: tuple[int, ...], __: bytes) -> np.ndarray:
    """Returns an empty array, whose content the pickle sets."""
    if np.prod(shape) != 0:
        raise pickle.UnpicklingError("an array that is not empty at first")
    return np.ndarray(shape, np.int8)


def _dtype(code: str, *_: Any) -> np.dtype:
    """Returns a type of numbers."""
    dtype = np.dtype(code, False, True)  # a copy, since the pickle sets its byte order
    if dtype.kind not in "fiub":
        raise pickle.UnpicklingError(f"an array of {code}")
    return dtype


def _scalar(dtype: np.dtype, content: bytes) -> Any:
    return np.frombuffer(content, dtype)[0]


def _from_buffer(content: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    """Returns bytes, which the older protocols write as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any):
    """Returns a tensor; torch checks that it lies within its storage."""
    return torch._utils._rebuild_tensor(storage, offset, size, stride)


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_KNOWN: tuple[tuple[tuple[tuple[str, ...], str], Callable | None], ...] = (
    ((("torch._utils",), "_rebuild_tensor_v2"), _tensor),
    ((("torch._utils",), "_rebuild_tensor"), _tensor),
    ((("torch.storage",), "_load_from_bytes"), _storage),
    ((("collections",), "OrderedDict"), OrderedDict),
    (((*_MULTIARRAY,), "_reconstruct"), _array),
    (((*_MULTIARRAY,), "scalar"), _scalar),
    ((("numpy.core.numeric", "numpy._core.numeric"), "_frombuffer"), _from_buffer),
    ((("numpy",), "ndarray"), None),  # only an argument
    ((("numpy",), "dtype"), _dtype),
    ((("_codecs",), "encode"), _encode),
)
"""(Modules, name) in a pickle -> what is called instead."""
