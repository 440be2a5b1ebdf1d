"""Masks that segmenters predict: gates, bands, soft masks, and the agreement of teachers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from chexseg import catalog
from chexseg.config.study import read_study
from chexseg.errors import InputError
from chexseg.files.store import Store, write_store
from chexseg.files.store_format import CERTAIN, UNKNOWN
from chexseg.mask_sources.gate import gate_of, value_of
from chexseg.mask_sources.segmenter import Segmenter
from chexseg.mask_sources.source import Shard
from chexseg.models import trained
from tests.unit.config.small_config import good

SIZE = 32
CLASSES = ("Edema", "Atelectasis")
LABELS = {"a": (1, 0), "b": (-1, 1), "c": (np.nan, 1), "d": (1, 1), "e": (1, 1)}
SPLITS = {"a": "train", "b": "train", "c": "train", "d": "expert", "e": "test"}
PROBABILITIES = (0.9, 0.4, 0.05)
"""What a teacher sees in the left, the middle and the right part of any X-ray."""


class Teacher(torch.nn.Module):
    """Sees the same in each X-ray, for all classes; `shift` moves it to the right."""

    def __init__(self, shift=0):
        super().__init__()
        row = torch.tensor(PROBABILITIES).logit().repeat_interleave(torch.tensor([10, 10, 12]))
        self.row = row.roll(shift)

    def forward(self, image):
        return self.row.expand(len(image), len(CLASSES), SIZE, SIZE)


@pytest.fixture
def shard(tmp_path):
    with write_store(tmp_path / "images.h5", "images", {"image_size": SIZE}) as store:
        for cxr_id in LABELS:
            store.append(cxr_id, np.zeros((SIZE, SIZE), np.uint8))
    index = pd.DataFrame.from_dict(LABELS, "index", columns=list(CLASSES), dtype=float)
    index.insert(0, "split", pd.Series(SPLITS))
    return Shard(index, Store([tmp_path / "images.h5"], "images"))


@pytest.fixture
def make(shard, monkeypatch):
    def made(teachers=1, gate=(), classes=CLASSES, **settings):
        def load(path):
            number = int(path)
            extra = {"thresholds": [0.5, 0.3 if number == 0 else 0.5]}
            names = classes if number == 0 else CLASSES
            return Teacher(number * 5), SimpleNamespace(classes=names, extra=extra)

        def load_classifier(path):
            logit = torch.tensor([[0.5, 0.2]]).logit()
            model = torch.nn.Module()
            model.forward = lambda image: logit.expand(len(image), 2)
            return model, SimpleNamespace(uncertain="ones"), gate

        monkeypatch.setattr(trained, "load_segmenter", load)
        monkeypatch.setattr(trained, "load_classifier", load_classifier)
        files = {"teachers": tuple(map(str, range(teachers))), "gate": ("gate.pt",) * bool(gate)}
        settings = Segmenter.command_settings()(**settings)
        masks = catalog.load("mask_source", "segmenter").make_masks(settings, files, shard)
        return masks, {cxr_id: mask[:, 0] for cxr_id, mask in masks.items}

    return made


def parts(row):
    """The values of the left, the middle and the right part."""
    assert [set(part) for part in np.split(row, [10, 20])] == [{row[0]}, {row[10]}, {row[20]}]
    return [row[0], row[10], row[20]]


def test_masks_are_cut_at_the_teachers_own_thresholds_and_gated_by_labels(make):
    made, masks = make()
    assert (made.splits, made.graded) == (("train",), False)
    assert [parts(row) for row in masks["a"]] == [[True, False, False], [False] * 3]
    assert [parts(row) for row in masks["b"]] == [[False] * 3, [True, True, False]]
    assert [parts(row) for row in masks["d"]] == [[True, False, False], [True, True, False]]


def test_test_x_rays_get_no_masks(make):
    assert list(make()[1]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(("policy", "expected"), [("zeros", False), ("ones", True)])
def test_policies_of_uncertain_and_blank_labels(make, policy, expected):
    assert make(uncertain=policy)[1]["b"][0, 0] == expected
    assert make(blank=policy)[1]["c"][0, 0] == expected
    assert not make(uncertain=policy)[1]["c"][0, 0]


def test_a_class_whose_label_is_ignored_is_not_known(make):
    made, masks = make(uncertain="ignore")
    assert (made.graded, made.soft) == (True, False)
    assert parts(masks["b"][0]) == [UNKNOWN] * 3
    assert parts(masks["b"][1]) == [CERTAIN, CERTAIN, 0]
    assert parts(masks["c"][0]) == [0] * 3


def test_between_the_cuts_nothing_is_known(make):
    made, masks = make(certain_background=0.1)
    assert (made.graded, made.soft) == (True, False)
    assert parts(masks["d"][0]) == [CERTAIN, UNKNOWN, 0]
    assert parts(masks["d"][1]) == [CERTAIN, CERTAIN, 0]
    assert parts(masks["a"][1]) == [0] * 3  # a negative label is known


def test_soft_masks_keep_probabilities(make):
    made, masks = make(soft=True)
    assert (made.graded, made.soft) == (True, True)
    expected = [round(p * CERTAIN) for p in PROBABILITIES]
    assert parts(masks["d"][0]) == expected
    assert parts(masks["a"][1]) == [0] * 3


def test_temperature_flattens_soft_masks_and_leaves_others(make):
    _, masks = make(soft=True, temperature=2.0)
    logits = torch.tensor(PROBABILITIES).logit() / 2
    assert parts(masks["d"][0]) == (logits.sigmoid() * CERTAIN).round().tolist()
    assert parts(make(temperature=2.0)[1]["d"][0]) == [True, False, False]


def test_a_classifier_gates_softly_where_labels_do_not_know(make):
    _, masks = make(gate=CLASSES, soft=True, uncertain="classifier", blank="classifier")
    half = [round(p * 0.5 * CERTAIN) for p in PROBABILITIES]
    assert parts(masks["b"][0]) == pytest.approx(half, abs=1)
    assert parts(masks["c"][0]) == pytest.approx(half, abs=1)
    assert parts(masks["a"][0]) == [round(p * CERTAIN) for p in PROBABILITIES]
    assert parts(masks["a"][1]) == [0] * 3
    with pytest.raises(InputError, match="no output 'Atelectasis'"):
        make(gate=("Edema",), uncertain="classifier")


def test_several_teachers_are_averaged(make):
    _, masks = make(teachers=2, soft=True)
    first, second = (torch.tensor(PROBABILITIES).repeat_interleave(torch.tensor([10, 10, 12])),) * 2
    expected = (first + second.roll(5)) / 2 * CERTAIN
    assert np.abs(masks["d"][0] - expected.numpy()).max() <= 1
    _, masks = make(teachers=2)  # thresholds 0.5 and 0.3 have the mean 0.4
    assert masks["d"][1].tolist() == ((first + second.roll(5)) / 2 > 0.4).tolist()


def test_x_rays_on_which_teachers_disagree_are_left_out(make):
    """`a` shows edema: the teachers' masks are 0 to 10 and 5 to 15, that of both 5 to 15."""
    assert "a" in make(teachers=2, least_agreement=0.66)[1]  # IoU 5/15 and 1
    assert "a" not in make(teachers=2, least_agreement=0.67)[1]


def test_agreement_is_that_of_masks_before_temperature_and_gate(make):
    half = {"gate": CLASSES, "uncertain": "classifier"}
    for settings in ({"soft": True, "temperature": 10.0}, half):
        assert "a" in make(teachers=2, least_agreement=0.66, **settings)[1]
        assert "a" not in make(teachers=2, least_agreement=0.67, **settings)[1]
    # `b` shows atelectasis, and edema with a gate of 0.5: the same teacher twice agrees.
    assert "b" in make(teachers=1, least_agreement=0.99, **half)[1]


def test_only_train_x_rays_are_left_out(make):
    assert list(make(teachers=2, least_agreement=1.0)[1]) == ["d"]


def test_teachers_of_other_classes_are_refused(make):
    with pytest.raises(InputError, match="Average teachers of the same classes"):
        make(teachers=2, classes=("Edema", "Fracture"))


def test_gates_of_all_labels():
    labels = np.array([[1, 0, -1, np.nan]])
    nan = float("nan")
    for uncertain, blank, expected in (
        ("zeros", "ones", [1, 0, 0, 1]),
        ("ones", "ignore", [1, 0, 1, nan]),
        ("ignore", "zeros", [1, 0, nan, 0]),
    ):
        gate = gate_of(labels, value_of(uncertain), value_of(blank))
        np.testing.assert_array_equal(gate, [expected])
    assert gate_of(labels, np.full((1, 4), 0.25), 0.0).tolist() == [[1, 0, 0.25, 0]]


TAUGHT = {"source": "segmenter", "segmenters": ["full"]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"uncertain": "classifier"}, "a gate by a classifier, but none"),
        ({"classifier": "densenet"}, "a classifier that gates nothing"),
        ({"least_agreement": 0.5}, "least_agreement of a single teacher"),
        ({"segmenters": ["ful"]}, "Did you mean 'full'"),
        ({"segmenters": []}, "at least 1"),
        ({"blank": "classifier", "classifier": "nobody"}, "'nobody'"),
    ],
)
def test_entries_that_do_not_fit(changes, told):
    with pytest.raises(InputError, match=told):
        read_study(good(masks={"taught": TAUGHT | changes}))


def test_a_cycle_of_teachers_is_refused():
    student = {"masks": ["taught"], "initial_weights": "none"}
    taught = TAUGHT | {"segmenters": ["student"]}
    with pytest.raises(InputError, match="a cycle: masks.taught -> segmenters.student -> masks"):
        read_study(good(masks={"taught": taught}, segmenters={"student": student}))


def test_graded_masks_do_not_validate():
    student = {"masks": ["expert"], "validation": "taught", "initial_weights": "none"}
    for graded in ({"soft": True}, {"certain_background": 0.1}, {"uncertain": "ignore"}):
        config = good(masks={"taught": TAUGHT | graded}, segmenters={"student": student})
        with pytest.raises(InputError, match="soft or partly unknown"):
            read_study(config)
