"""Masks that experts drew."""

import json

import numpy as np
import pytest

from chexseg.config.study import read_study
from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError
from tests.unit.config.small_config import good
from tests.unit.mask_sources.sources import IDS, make


def teaching(made, masks, shard):
    return [cxr_id for cxr_id in masks if shard.index.loc[cxr_id, "split"] in made.splits]


def test_drawn_masks_are_those_of_experts_and_validation(inputs, shard):
    made, masks = make("drawn", inputs, shard)
    assert list(masks) == IDS[4:12]
    assert made.splits == ("expert",)
    assert not masks[IDS[5]].any()  # no entry: the experts saw nothing
    inside = masks[IDS[4]][0]
    assert 0 < inside.sum() < inside.size / 2


@pytest.mark.parametrize(("few", "many"), [({"number": 2}, {"number": 4}),
                                           ({"share": 0.3}, {"share": 0.8})])  # fmt: skip
def test_fewer_drawn_masks_are_part_of_more_and_validation_stays(few, many, inputs, shard):
    few, more = (
        teaching(*make("drawn", inputs, shard, seed=3, **some), shard) for some in (few, many)
    )
    assert set(few) < set(more) < set(IDS[4:10])
    other = teaching(*make("drawn", inputs, shard, seed=4, number=2), shard)
    assert len(other) == 2
    _, masks = make("drawn", inputs, shard, number=1)
    assert set(masks) >= set(IDS[10:12])


def test_of_other_files_only_x_rays_with_an_entry_teach(inputs, shard):
    made, masks = make("drawn", inputs, shard, complete=False)
    assert teaching(made, masks, shard) == [IDS[4], *IDS[6:10]]


def test_of_other_files_only_validation_x_rays_with_an_entry_have_masks(inputs, shard):
    entries = json.loads(inputs["masks"][0].read_text())
    del entries[IDS[10]]
    inputs["masks"][0].write_text(json.dumps(entries))
    _, masks = make("drawn", inputs, shard, complete=False)
    assert IDS[11] in masks
    assert IDS[10] not in masks
    _, masks = make("drawn", inputs, shard)
    assert not masks[IDS[10]].any()  # CheXlocalize: the experts saw nothing


def test_more_drawn_masks_than_there_are(inputs, shard):
    with pytest.raises(InputError, match="6 X-rays with masks in the split, expected 7"):
        make("drawn", inputs, shard, number=7)


def test_files_of_other_x_rays_or_other_sizes(inputs, shard, tmp_path):
    mask = {"Edema": encode(np.zeros((9, 9), bool)), "Atelectasis": encode(np.zeros((9, 9), bool))}
    write_masks(tmp_path / "strange.json", {"someone": mask})
    with pytest.raises(InputError, match="none of which is in the study"):
        make("drawn", inputs | {"masks": (tmp_path / "strange.json",)}, shard)
    write_masks(tmp_path / "small.json", {IDS[4]: mask})
    with pytest.raises(InputError, match="the size of the X-ray"):
        make("drawn", inputs | {"masks": (tmp_path / "small.json",)}, shard)
    with pytest.raises(InputError, match="another file has too"):
        make("drawn", inputs | {"masks": inputs["masks"] * 2}, shard)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"split": "train"}, "split: train, but no files"),
        ({"images": 5, "share": 0.5}, "both images and share"),
        ({"classes": ["Edema", "Edema"]}, "a class twice"),
    ],
)
def test_drawn_entries_that_do_not_fit_together(entry, found):
    with pytest.raises(InputError, match=found):
        read_study(good(masks={"few": {"source": "drawn", **entry}}))


def test_a_scored_segmenter_learns_masks_of_the_studys_pathologies():
    lungs = {"source": "drawn", "files": ["lungs.json"], "classes": ["Left Lung"]}
    assert "lungs" in read_study(good(masks={"lungs": lungs})).masks
    for segmenter in ({"masks": ["lungs"]}, {"masks": ["expert"], "validation": "lungs"}):
        config = good(
            masks={"lungs": lungs}, segmenters={"x": {**segmenter, "initial_weights": "none"}}
        )
        with pytest.raises(InputError, match="'lungs' without Enlarged Cardiomediastinum, "):
            read_study(config)
