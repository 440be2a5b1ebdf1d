"""Heat maps of CheXlocalize, and pickles that would run code."""

import os
import pickle

import numpy as np
import pytest
import torch
from skimage.filters import threshold_otsu

from chexseg.data.masks import decode
from chexseg.errors import InputError
from chexseg.evaluation.heat_maps import otsu_mask, peak_mask, read_heat_maps, read_pickle

NAMES = ("Edema", "Airspace Opacity")
HEAT = torch.tensor([[0.0, 0.1, 0.2], [0.3, 2.0, 0.9]])[None, None]


def write(folder, content, name="p_1_frontal_Edema_map.pkl", protocol=4):
    with open(folder / name, "wb") as file:
        pickle.dump(content, file, protocol)
    return folder


def masks_of(folder, **options):
    return read_heat_maps(folder, pathologies=NAMES, **{"peaks": True, **options})


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["tensor", "gradient", "array", "fortran", "float64"])
def test_maps_of_tensors_and_arrays(tmp_path, protocol, kind):
    heat = {
        "tensor": HEAT, "gradient": HEAT.clone().requires_grad_(), "array": HEAT.numpy(),
        "fortran": np.asfortranarray(HEAT.numpy()), "float64": HEAT.numpy().astype(np.float64),
    }[kind]  # fmt: skip
    extra = {"prob": np.float32(0.3), "task": "Edema", "gt": 1, "cxr_img": torch.zeros(3, 2, 2)}
    write(tmp_path, {"map": heat, "cxr_dims": (6, 4), **extra}, protocol=protocol)
    masks = masks_of(tmp_path)
    assert list(masks) == ["p_1_frontal"]
    resized = torch.nn.functional.interpolate(HEAT, size=(4, 6), mode="bilinear")[0, 0].numpy()
    expected = np.unravel_index(resized.argmax(), resized.shape)
    assert np.argwhere(decode(masks["p_1_frontal"]["Edema"])).tolist() == [list(expected)]


def test_otsu_of_whole_levels():
    heat = np.random.default_rng(0).gamma(0.5, size=(20, 30)).astype(np.float32)
    levels = np.uint8(255 * ((heat - heat.min()) / (heat - heat.min()).max()))
    np.testing.assert_array_equal(otsu_mask(heat), levels > threshold_otsu(levels))
    two = np.array([[1.0, 1.0, 5.0]], np.float32)
    assert otsu_mask(two).tolist() == [[False, False, True]]
    assert not otsu_mask(np.full((2, 2), 3.0)).any()


def test_the_first_of_equal_peaks():
    assert np.argwhere(peak_mask(np.array([[0, 2], [2, 1]]))).tolist() == [[0, 1]]


def test_other_pathologies_and_subfolders(tmp_path):
    content = {"map": HEAT, "cxr_dims": (6, 4)}
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", content, "a_Airspace Opacity_map.pkl")
    write(tmp_path, content, "a_Fracture_map.pkl")
    assert {cxr_id: list(masks) for cxr_id, masks in masks_of(tmp_path).items()} == {
        "a": ["Airspace Opacity"]
    }
    write(tmp_path, content, "a_Airspace Opacity_map.pkl")
    with pytest.raises(InputError, match="a second heat map"):
        masks_of(tmp_path)


class Runs:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "call",
    [
        (os.system, "touch ran"),
        (eval, "1 + 1"),
        (getattr, "x", "upper"),
        (torch.load, "x.pt"),
        (np.load, "x.npy"),
    ],
    ids=lambda call: call[0].__name__,
)
def test_no_code_of_a_file_is_run(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"map": HEAT, "cxr_dims": (6, 4), "more": Runs(*call)})
    with pytest.raises(InputError, match="it would call"):
        masks_of(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_code_within_the_file_of_a_tensor_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inner = pickle.dumps(Runs(os.system, "touch ran"))
    write(tmp_path, {"map": Runs(torch.storage._load_from_bytes, inner), "cxr_dims": (6, 4)})
    with pytest.raises(InputError, match="no plain pickle"):
        masks_of(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        3, {}, {"map": HEAT}, {"cxr_dims": (6, 4)}, {"map": HEAT, "cxr_dims": (6, -4)},
        {"map": HEAT, "cxr_dims": (10**6, 10**6)}, {"map": HEAT, "cxr_dims": "x"},
        {"map": HEAT * float("nan"), "cxr_dims": (6, 4)}, {"map": HEAT[0, 0, 0], "cxr_dims": (6, 4)},
        {"map": torch.zeros(2, 3, 4), "cxr_dims": (6, 4)}, {"map": HEAT[..., :0], "cxr_dims": (6, 4)},
        {"map": torch.zeros(1).expand(10**5, 10**5), "cxr_dims": (6, 4)},
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_heat_map(tmp_path, content):
    write(tmp_path, content)
    with pytest.raises(InputError, match="expected a heat map"):
        masks_of(tmp_path)


def test_damaged_bytes_are_told(tmp_path):
    write(tmp_path, {"map": HEAT, "cxr_dims": (6, 4)})
    path = tmp_path / "p_1_frontal_Edema_map.pkl"
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            masks_of(tmp_path)
        except InputError:
            refused += 1
    assert refused > 0


def test_objects_are_refused(tmp_path):
    array = np.array([Runs(os.system, "touch ran")], object)
    write(tmp_path, {"map": array, "cxr_dims": (6, 4)})
    with pytest.raises(pickle.UnpicklingError):
        read_pickle(tmp_path / "p_1_frontal_Edema_map.pkl")


def test_a_folder_without_maps(tmp_path):
    with pytest.raises(InputError, match="no heat map"):
        masks_of(tmp_path)
