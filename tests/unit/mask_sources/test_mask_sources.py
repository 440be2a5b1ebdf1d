"""What every source of masks promises, and what each does by itself."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from chexseg import catalog
from chexseg.config.links import scored_masks
from chexseg.config.paths import Paths
from chexseg.config.study import read_study
from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError
from chexseg.files.store import Store, write_store
from chexseg.files.store_format import CERTAIN, UNKNOWN
from chexseg.mask_sources.source import Shard
from chexseg.models import trained
from tests.unit.config.small_config import good

SIZE = 32
CLASSES = ("Edema", "Atelectasis")
SPLITS = ["train"] * 4 + ["expert"] * 6 + ["validation"] * 2 + ["test"] * 2
IDS = [f"cxr{number:02d}" for number in range(len(SPLITS))]


@pytest.fixture
def shard(tmp_path):
    """14 X-rays of 20 x 16 pixels; those with an even number have edema, the others atelectasis."""
    with write_store(tmp_path / "images.h5", "images", {"image_size": SIZE}) as store:
        for number, cxr_id in enumerate(IDS):
            store.append(cxr_id, np.full((SIZE, SIZE), number, np.uint8))
    even = np.arange(len(IDS)) % 2 == 0
    index = pd.DataFrame(
        {"split": SPLITS, "height": 20, "width": 16, "Edema": even, "Atelectasis": ~even},
        index=pd.Index(IDS, name="cxr_id"),
    ).astype({"Edema": float, "Atelectasis": float, "height": "Int64", "width": "Int64"})
    return Shard(index, Store([tmp_path / "images.h5"], "images"))


@pytest.fixture
def inputs(tmp_path, shard):
    """Role -> files, for all roles of the sources."""
    drawn = np.zeros((20, 16), bool)
    drawn[2:9, 3:8] = True
    entries = {
        cxr_id: {"Edema": encode(drawn), "Atelectasis": encode(~drawn)} for cxr_id in IDS[4:]
    }
    del entries[IDS[5]]
    write_masks(tmp_path / "masks.json", entries)
    with write_store(tmp_path / "maps.h5", "saliency", {"classes": [*CLASSES]}) as store:
        for cxr_id in IDS:
            store.append(cxr_id, np.eye(4)[None].repeat(2, 0))
    with write_store(tmp_path / "edges.h5", "affinity", {}) as store:
        for cxr_id in IDS:
            store.append(cxr_id, np.zeros((8, 8)))
    files = {"masks": "masks.json", "saliency": "maps.h5", "affinity": "edges.h5"}
    read = {role: (tmp_path / name,) for role, name in files.items()}
    return read | {"teachers": (tmp_path / "teacher.pt",), "gate": ()}


@pytest.fixture(autouse=True)
def teacher(monkeypatch):
    """A teacher that is sure of everything, so that the labels alone decide."""

    def load(path):
        model = torch.nn.Conv2d(1, 2, 1)
        torch.nn.init.constant_(model.bias, 50)
        return model, SimpleNamespace(classes=CLASSES, extra={"thresholds": [0.5, 0.5]})

    monkeypatch.setattr(trained, "load_segmenter", load)


SETTINGS = {"drawn": {"classes": CLASSES}}


def make(source, inputs, shard, **settings):
    method = catalog.load("mask_source", source)
    settings = method.command_settings()(**(SETTINGS.get(source, {}) | settings))
    made = method.make_masks(settings, {role: inputs[role] for role in method.roles}, shard)
    return made, dict(made.items)


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


@pytest.mark.parametrize("source", catalog.names("mask_source"))
def test_a_source_says_which_files_it_reads(source):
    config = good(masks={"taught": {"source": "segmenter", "segmenters": ["full"]}})
    study = read_study(config)
    name = {"drawn": "expert", "threshold": "cam", "segmenter": "taught"}.get(source, source)
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


@pytest.mark.parametrize("source", ["threshold", "irnet", "segmenter"])
def test_made_masks_are_gated_by_the_labels(source, inputs, shard):
    made, masks = make(source, inputs, shard)
    assert made.splits == ("train",)
    assert list(masks) == [
        i for i in IDS if source != "segmenter" or shard.index["split"][i] != "test"
    ]
    for number, mask in enumerate(masks.values()):
        assert [channel.any() for channel in mask] == [number % 2 == 0, number % 2 == 1]


@pytest.mark.parametrize("source", ["threshold", "irnet"])
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


@pytest.mark.parametrize("source", ["threshold", "irnet", "segmenter"])
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


# Drawn masks


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


def test_a_segmenter_learns_masks_of_the_studys_pathologies():
    lungs = {"source": "drawn", "files": ["lungs.json"], "classes": ["Left Lung"]}
    assert "lungs" in read_study(good(masks={"lungs": lungs})).masks
    for segmenter in ({"masks": ["lungs"]}, {"masks": ["expert"], "validation": "lungs"}):
        config = good(
            masks={"lungs": lungs}, segmenters={"x": {**segmenter, "initial_weights": "none"}}
        )
        with pytest.raises(InputError, match="'lungs' with other classes"):
            read_study(config)
