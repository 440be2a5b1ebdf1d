"""Segmenters as teachers, and what a student learns from masks that are not certain."""

import numpy as np
import pytest
import torch

from chexseg import catalog
from chexseg.data.index import read_index
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.files.store_format import MASK_KINDS, UNKNOWN
from chexseg.models.trained import load_segmenter
from chexseg.stages import make_masks
from tests.stages.trained import rows_of, segment


@pytest.fixture(scope="module")
def taught(files):
    """Masks of a teacher, with a band of pixels that are not known, and its probabilities."""
    teacher = segment(files, "teacher", samples_per_epoch=16)
    inputs = {"teachers": teacher}
    for name, settings in (
        ("band", {"certain_background": 0.3}),
        ("soft", {"soft": True, "temperature": 2.0}),
    ):
        path = files.folder / f"{name}.h5"
        make_taught(files, path, inputs, **settings)
        setattr(files, name, (path,))
    return files


def make_taught(files, out, inputs, **settings):
    make_masks.run(
        source="segmenter",
        index=files.index,
        images=files.images[0],
        inputs={"teachers": (inputs["teachers"],), "gate": ()},
        out=out,
        settings=catalog.load("mask_source", "segmenter").command_settings()(**settings),
    )


def test_a_teacher_masks_no_test_x_ray(taught):
    splits = read_index(taught.index)["split"]
    for name in ("band", "soft"):
        store = Store(getattr(taught, name), *MASK_KINDS)
        assert store.kind == "mask_levels"
        assert store.meta["splits"] == ["train"]
        assert set(splits[store.ids]) == {"train", "expert", "validation"}
        assert "test" in set(splits)


def test_a_band_holds_what_is_not_known_and_soft_masks_do_not(taught):
    band, soft = (Store(getattr(taught, name), "mask_levels") for name in ("band", "soft"))
    some = next(i for i in band.ids if (band[i] == UNKNOWN).any())
    assert set(np.unique(band[some])) <= {0, 254, UNKNOWN}
    assert len(np.unique(soft[some])) > 3
    assert (soft[some] != UNKNOWN).all()


@pytest.mark.parametrize("name", ["band", "soft"])
@pytest.mark.parametrize("loss", ["dice", "cross_entropy"])
def test_a_student_learns_from_experts_and_a_teacher(taught, name, loss):
    path = segment(
        taught, f"student_{name}_{loss}", sources=("expert", name), mixing=(0.5, 0.5), loss=loss,
        temperature=2.0, samples_per_epoch=16,
    )  # fmt: skip
    (row,) = rows_of(path)
    assert np.isfinite(float(row["loss"]))
    assert load_segmenter(path)[1].classes == PATHOLOGIES


def test_a_class_that_is_left_out_teaches_nothing(taught):
    """With all classes of a source but one left out, the others' last weights do not move."""
    kept = PATHOLOGIES[3]
    left_out = tuple(f"pseudo:{name}" for name in PATHOLOGIES if name != kept)
    options = {"sources": ("pseudo",), "samples_per_epoch": 8, "epochs": 1, "augmentation": 0.0}
    path = segment(taught, "one_class", leave_out=left_out, **options)
    start = segment(taught, "start", learning_rate=1e-30, leave_out=left_out, **options)
    head, first = (
        load_segmenter(p)[0].state_dict()["network.segmentation_head.0.weight"]
        for p in (path, start)
    )
    moved = (head != first).flatten(1).any(1)
    assert moved.tolist() == [name == kept for name in PATHOLOGIES]


@pytest.mark.parametrize("pair", ["pseudo:Fracture", "expert:Edema", "Edema"])
def test_only_a_class_of_a_source_can_be_left_out(taught, pair):
    with pytest.raises(InputError, match="SOURCE:CLASS"):
        segment(taught, "wrong", sources=("pseudo",), leave_out=(pair,))


def test_consistency_changes_the_training_and_keeps_its_bits(taught):
    options = {"samples_per_epoch": 16, "consistency": 1.0, "confidence": 0.5}
    one, again = segment(taught, "steady", **options), segment(taught, "steady2", **options)
    assert one.read_bytes() == again.read_bytes()
    without = segment(taught, "without", samples_per_epoch=16)
    weights = [load_segmenter(path)[0].state_dict() for path in (one, without)]
    head = "network.segmentation_head.0.weight"
    assert not torch.equal(weights[0][head], weights[1][head])


def test_the_metric_of_selection_is_a_setting(taught):
    path = segment(taught, "by_image", selection_metric="dice", samples_per_epoch=8)
    (row,) = rows_of(path)
    assert f"dice {PATHOLOGIES[0]}" in row


def test_a_teacher_from_a_file_that_is_no_segmenter(taught, tmp_path):
    with pytest.raises(InputError, match="segmenter"):
        make_taught(taught, tmp_path / "x.h5", {"teachers": taught.classifier})
    assert not (tmp_path / "x.h5").exists()
    torch.save({}, tmp_path / "nothing.pt")
    with pytest.raises(InputError):
        make_taught(taught, tmp_path / "x.h5", {"teachers": tmp_path / "nothing.pt"})
