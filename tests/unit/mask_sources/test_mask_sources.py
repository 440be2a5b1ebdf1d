"""What every source of masks promises, and what made masks know."""

import numpy as np
import pytest

from chexseg import catalog
from chexseg.config.links import scored_masks
from chexseg.config.paths import Paths
from chexseg.config.study import read_study
from chexseg.errors import InputError
from chexseg.files.store import write_store
from chexseg.files.store_format import CERTAIN, UNKNOWN
from chexseg.mask_sources.source import Shard
from tests.unit.config.small_config import good
from tests.unit.mask_sources.sources import CLASSES, IDS, SIZE, make


@pytest.mark.parametrize("source", catalog.names("mask_source"))
def test_a_source_makes_masks_of_the_images_size_that_never_teach_with_held_out_x_rays(
    source, inputs, shard
):
    made, masks = make(source, inputs, shard)
    assert made.classes == CLASSES
    assert set(made.splits) <= {"train", "expert"}
    assert set(masks) <= set(IDS)
    assert {mask.shape for mask in masks.values()} == {(2, SIZE, SIZE)}
    assert {mask.dtype for mask in masks.values()} == {np.dtype(bool)}
    assert any(mask.any() for mask in masks.values())


@pytest.mark.parametrize("source", [n for n in catalog.names("mask_source") if n != "boxes"])
def test_a_source_says_which_files_it_reads(source):
    others = {
        "taught": {"source": "segmenter", "segmenters": ["full"]},
        "voted": {"source": "consensus", "saliency": ["gradcam"]},
    }
    study = read_study(good(masks=others))
    names = {"drawn": "expert", "threshold": "cam", "segmenter": "taught", "consensus": "voted"}
    name = names.get(source, source)
    entry = study.masks[name]
    files = entry.inputs(Paths(study), name, "0000")
    assert set(files) == set(type(entry).roles)
    assert all(path.startswith("results/small/") for paths in files.values() for path in paths)
    assert entry.classes_of(study) == study.data.pathologies


def test_masks_are_scored_against_experts_unless_they_are_theirs():
    reader = {"source": "drawn", "files": ["reader.json"]}
    few = {"source": "drawn", "images": 5}
    taught = {"source": "segmenter", "segmenters": ["full"]}
    made = {"reader": reader, "few": few, "taught": taught}
    study = read_study(good(masks={**good()["masks"], **made}))
    both = ("expert", "validation")
    assert {name: source.scored_on(study) for name, source in study.masks.items()} == {
        "cam": both, "expert": (), "few": (), "irnet": both, "reader": both,
        "taught": ("validation",),
    }  # fmt: skip


def test_the_experts_masks_are_not_scored_against_themselves():
    reader = {"source": "drawn", "files": ["reader.json"]}
    other = reader | {"classes": ["Fracture"]}
    masks = {**good()["masks"], "expert": reader, "reader": reader, "other": other}
    both = ("expert", "validation")
    assert scored_masks(read_study(good(masks=masks))) == {
        "cam": both, "irnet": both, "reader": both,
    }  # fmt: skip


def test_a_threshold_by_otsu_and_filled_masks(inputs, shard):
    """The maps are the diagonal of 4 x 4 cells: nothing to fill, and a low threshold."""
    _, half = make("threshold", inputs, shard)
    _, otsu = make("threshold", inputs, shard, threshold="otsu")
    assert 0 < otsu[IDS[0]].sum() != half[IDS[0]].sum() > 0
    _, filled = make("threshold", inputs, shard, threshold="otsu", fill=True)
    assert np.array_equal(filled[IDS[0]], otsu[IDS[0]])


@pytest.mark.parametrize("source", ["threshold", "irnet", "segmenter", "consensus"])
def test_made_masks_are_gated_by_the_labels(source, inputs, shard):
    made, masks = make(source, inputs, shard)
    assert made.splits == ("train",)
    assert list(masks) == [
        i for i in IDS if source != "segmenter" or shard.index["split"][i] != "test"
    ]
    for number, mask in enumerate(masks.values()):
        assert [channel.any() for channel in mask] == [number % 2 == 0, number % 2 == 1]


@pytest.mark.parametrize("source", ["threshold", "irnet", "consensus"])
def test_masks_may_be_made_of_fewer_train_x_rays(source, inputs, shard):
    few = Shard(shard.index, shard.images, train_images=2)
    _, masks = make(source, inputs, few)
    assert list(masks) == ["cxr00", "cxr01", *IDS[4:]]  # by a hash; all others have masks too
    _, more = make(source, inputs, Shard(shard.index, shard.images, train_images=3))
    assert set(masks) < set(more) < set(IDS)
    with pytest.raises(InputError, match="4 train X-rays, expected 5"):
        make(source, inputs, Shard(shard.index, shard.images, train_images=5))


def test_the_number_of_train_x_rays_is_a_setting_of_made_masks():
    masks = {"cam": {"source": "threshold", "saliency": "gradcam", "images": 9}}
    masks["few"] = {"source": "drawn", "images": 5}
    study = read_study(good(masks=masks))
    assert (study.masks["cam"].train_images, study.masks["few"].train_images) == (9, None)
    assert "images" not in study.masks["cam"].settings(study).model_dump()
    assert [study.masks["cam"].teaching(study, train, 60) for train in (5, 700)] == [5, 9]


@pytest.mark.parametrize("source", ["threshold", "irnet", "segmenter", "consensus"])
def test_made_masks_of_labels_that_are_not_known(source, inputs, shard):
    shard.index.loc[IDS[0], "Atelectasis"] = -1  # was 0
    shard.index.loc[IDS[1], "Edema"] = np.nan  # was 0
    for policy in ("zeros", "ones", "ignore"):
        made, masks = make(source, inputs, shard, uncertain=policy, blank=policy)
        assert made.graded == (policy == "ignore")
        for cxr_id, channel in ((IDS[0], 1), (IDS[1], 0)):
            mask = masks[cxr_id][channel]
            if policy == "ignore":
                assert (mask == UNKNOWN).all()
                assert not (masks[cxr_id][1 - channel] == UNKNOWN).any()
            else:
                assert mask.any() == (policy == "ones")


@pytest.mark.parametrize(
    ("source", "begins"), [("threshold", "threshold"), ("irnet", "background")]
)
def test_between_two_cuts_nothing_is_known(source, begins, inputs, shard):
    """Masks begin so close to the maximum that even a map that spread has pixels below."""
    _, masks = make(source, inputs, shard, **{begins: 0.9999})
    made, graded = make(source, inputs, shard, certain_background=0.2, **{begins: 0.9999})
    assert made.graded
    first, levels = masks[IDS[0]], graded[IDS[0]]
    assert np.array_equal(levels == CERTAIN, first)
    assert UNKNOWN in levels[0]
    assert set(np.unique(levels[1])) == {0}  # its label is 0


@pytest.mark.parametrize(
    "entry",
    [
        {"source": "threshold", "saliency": "gradcam", "certain_background": 0.5},
        {"source": "irnet", "saliency": "gradcam", "backbone": "none", "certain_background": 0.7},
    ],
)
def test_a_band_lies_below_where_the_mask_begins(entry):
    with pytest.raises(InputError, match="where a mask begins at 0"):
        read_study(good(masks={"banded": entry}))
    entry = entry | {"certain_background": 0.2}
    assert read_study(good(masks={"banded": entry})).masks["banded"].graded


def test_a_positive_x_ray_without_evidence_is_not_known(inputs, shard):
    with write_store(inputs["saliency"][0], "saliency", {"classes": [*CLASSES]}) as store:
        for cxr_id in IDS:
            store.append(cxr_id, np.zeros((2, 4, 4)))
    _, masks = make("threshold", inputs, shard, certain_background=0.2)
    assert set(np.unique(masks[IDS[0]][0])) == {UNKNOWN}
    assert set(np.unique(masks[IDS[0]][1])) == {0}
