"""Masks on which the maps of several classifiers agree."""

import numpy as np
import pytest

from chexseg.config.study import read_study
from chexseg.errors import InputError
from chexseg.files.store import write_store
from chexseg.files.store_format import CERTAIN, UNKNOWN
from tests.unit.config.small_config import good
from tests.unit.mask_sources.sources import CLASSES, IDS, SIZE, make

HALF = SIZE // 2
RAMP = np.tile(np.arange(1.0, SIZE + 1), (SIZE, 1))
MAPS = {"left": RAMP < HALF + 1, "right": RAMP > HALF, "none": RAMP * 0, "ramp": RAMP, "back": RAMP[:, ::-1]}  # fmt: skip


@pytest.fixture
def voters(tmp_path):
    def write(*names, classes=CLASSES):
        paths = tuple(tmp_path / f"voter{n}.h5" for n in range(len(names)))
        for path, name in zip(paths, names, strict=True):
            with write_store(path, "saliency", {"classes": [*classes]}) as store:
                for cxr_id in IDS:
                    store.append(cxr_id, np.stack([MAPS[name]] * 2))
        return {"saliency": paths}

    return write


def voted(voters, shard, *names, **settings):
    return make("consensus", voters(*names), shard, **({"blur": 0} | settings))


def test_voters_that_say_the_same_make_their_mask(voters, shard):
    made, masks = voted(voters, shard, "ramp", "ramp", thresholds=("0.51", "0.51"))
    assert not made.graded
    assert np.array_equal(masks[IDS[0]][0], RAMP > 16)
    assert not masks[IDS[0]][1].any()  # its label is 0


def test_each_class_has_its_own_cuts(voters, shard):
    cuts = {"thresholds": ("0.51", "quantile 0.75"), "certain_backgrounds": ("0.26", "none")}
    made, masks = voted(voters, shard, "ramp", **cuts)
    assert made.graded
    edema, atelectasis = masks[IDS[0]][0][0], masks[IDS[1]][1][0]
    assert list(edema) == [0] * 8 + [UNKNOWN] * 8 + [CERTAIN] * 16
    assert list(atelectasis) == [0] * 24 + [CERTAIN] * 8


def test_a_weighted_voter_counts_by_its_likeness(voters, shard):
    """Two ramps outvote one in the other direction, whose likeness is below 0."""
    names = ("ramp", "ramp", "back")
    _, equal = voted(voters, shard, *names, thresholds=("0.99", "0.99"))
    _, weighted = voted(voters, shard, *names, thresholds=("0.99", "0.99"), weighted=True)
    # 2/3 of 32 and 1/3 of 1 is the maximum of the mean, 21.67: above 21.45 is the last pixel alone.
    assert equal[IDS[0]][0].sum() == weighted[IDS[0]][0].sum() == SIZE
    _, equal = voted(voters, shard, *names, thresholds=("0.7", "0.7"))
    _, weighted = voted(voters, shard, *names, thresholds=("0.7", "0.7"), weighted=True)
    # (x + 33) / 3 > 0.7 * 65 / 3 from 13, and x > 0.7 * 32 from 23.
    assert list(equal[IDS[0]][0][0]) == [False] * 12 + [True] * 20
    assert list(weighted[IDS[0]][0][0]) == [False] * 22 + [True] * 10


def test_masks_on_which_voters_disagree_are_not_known(voters, shard):
    _, masks = voted(voters, shard, "left", "right", least_agreement=0.1)
    assert (masks[IDS[0]][0] == UNKNOWN).all()
    assert not masks[IDS[0]][1].any()
    made, masks = voted(voters, shard, "ramp", "ramp", least_agreement=0.9)
    assert (masks[IDS[0]][0][:, 16:] == CERTAIN).all()
    assert made.notes()["left_out"] == [0, 0]


def test_maps_without_evidence_are_counted(voters, shard):
    """Of the 4 train X-rays two have each label."""
    made, masks = voted(voters, shard, "none", "none")
    assert not any(mask.any() for mask in masks.values())
    assert made.notes() == {
        "images": [0, 0], "without_map": [2, 2], "left_out": [0, 0],
        "likeness": [[0, 0], [0, 0]], "silent": [[2, 2], [2, 2]],
    }  # fmt: skip
    _, graded = voted(voters, shard, "none", "none", certain_backgrounds=("0.1", "0.1"))
    assert (graded[IDS[0]][0] == UNKNOWN).all()


def test_agreement_is_counted_on_train_x_rays_that_have_the_label(voters, shard):
    made, _ = voted(voters, shard, "ramp", "none", least_agreement=0.6)
    notes = made.notes()
    assert notes.pop("likeness")[0] == pytest.approx([2, 2])
    assert notes == {
        "images": [2, 2], "without_map": [0, 0], "left_out": [2, 2], "silent": [[0, 0], [2, 2]],
    }  # fmt: skip


def test_the_same_masks_each_time(voters, shard):
    names, settings = ("ramp", "left"), {"blur": 0.2, "weighted": True}
    first, second = (voted(voters, shard, *names, **settings)[1] for _ in range(2))
    assert all(np.array_equal(first[cxr_id], second[cxr_id]) for cxr_id in IDS)


def test_the_order_of_the_batch_does_not_matter(voters, shard, monkeypatch):
    _, together = voted(voters, shard, "ramp", "left", blur=0.2)
    monkeypatch.setattr("chexseg.mask_sources.source.BATCH", 1)
    _, alone = voted(voters, shard, "ramp", "left", blur=0.2)
    assert all(np.array_equal(together[cxr_id], alone[cxr_id]) for cxr_id in IDS)


def test_maps_of_other_classes_are_refused(voters, shard, tmp_path):
    other = tmp_path / "other.h5"
    with write_store(other, "saliency", {"classes": ["Edema"]}):
        pass
    files = {"saliency": (*voters("ramp")["saliency"], other)}
    with pytest.raises(InputError, match="maps of Edema, expected maps of Edema, Atelectasis"):
        make("consensus", files, shard)
    with pytest.raises(InputError, match="1 cuts, expected one for each of Edema, Atelectasis"):
        voted(voters, shard, "ramp", thresholds=("0.5",))


SALIENCY = {
    "gradcam": {"method": "gradcam", "classifiers": ["dense"]},
    "other": {"method": "gradcam", "classifiers": ["res18"]},
    "few": {"method": "gradcam", "classifiers": ["res18"], "classes": ["Edema", "Fracture"]},
}


def study(segmenters=None, **entry):
    voted = {"source": "consensus", "saliency": ["gradcam", "other"]} | entry
    config = good(saliency=SALIENCY, masks={"voted": voted}, segmenters=segmenters or {})
    return read_study(config)


def test_cuts_of_the_entry_and_of_its_classes():
    read = study(
        saliency=["few"], threshold="quantile 0.9", certain_background=0.2,
        threshold_of={"Fracture": "otsu"}, certain_background_of={"Edema": "quantile 0.5"},
    )  # fmt: skip
    entry = read.masks["voted"]
    settings = entry.settings(read)
    assert settings.thresholds == ("quantile 0.9", "otsu")
    assert settings.certain_backgrounds == ("quantile 0.5", "0.2")
    assert entry.classes_of(read) == ("Edema", "Fracture")
    assert entry.voters() == ("few",)


def test_an_entry_knows_whether_its_masks_are_graded():
    for changes in ({"certain_background": 0.1}, {"least_agreement": 0.2}, {"blank": "ignore"},
                    {"certain_background_of": {"Edema": 0.1}}):  # fmt: skip
        read = study(**changes)
        assert read.masks["voted"].graded
        assert read.masks["voted"].settings(read).graded
    read = study()
    assert not read.masks["voted"].graded
    assert not read.masks["voted"].settings(read).graded


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"saliency": ["gradcam", "gradcam"]}, "a voter twice"),
        ({"saliency": []}, "at least 1"),
        ({"saliency": ["gradcam", "gradcan"]}, "'gradcan', expected one of saliency"),
        ({"saliency": ["gradcam", "few"]}, "'few' with other classes"),
        ({"saliency": ["other"], "least_agreement": 0.5}, "least_agreement of a single voter"),
        ({"threshold": "median"}, "'median' for 'masks.voted.threshold', expected a share"),
        ({"threshold": "quantile 1.5"}, "expected a share from 0 to 1, otsu, or"),
        ({"threshold": 1.5}, "less than or equal to 1"),
        ({"certain_background": "otsu"}, "certain_background at otsu, where a mask begins at otsu"),
        ({"threshold": 0.4, "certain_background": 0.4}, "certain_background at 0.4"),
        ({"threshold": "quantile 0.5", "certain_background": "quantile 0.6"}, "at quantile 0.6"),
        (
            {"certain_background": 0.4, "threshold_of": {"Edema": 0.3}},
            "certain_background of Edema at 0.4, where a mask begins at 0.3",
        ),
        ({"threshold_of": {"Edena": 0.3}}, "Did you mean 'Edema'?"),
    ],
)
def test_entries_that_do_not_fit_together(changes, told):
    with pytest.raises(InputError) as caught:
        study(**changes)
    assert told in str(caught.value)


def test_weights_of_a_single_voter_change_nothing():
    read = study(saliency=["other"], weighted=True)
    assert not read.masks["voted"].settings(read).weighted
    assert "weighted" in read.masks["voted"].unused()
