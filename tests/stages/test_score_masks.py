import numpy as np
import pandas as pd
import pytest

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import InputError
from chexseg.files.store import write_store
from chexseg.stages import score_masks

SETTINGS = EvaluationSettings(metrics=("iou_dataset", "precision", "recall"), replicates=20)
CLASSES = ("Edema", "Tuberculosis")
SPLITS = {"t1": "train", "e1": "expert", "e2": "expert", "v1": "validation", "v2": "validation",
          "x1": "test"}  # fmt: skip
LEFT = np.repeat([[1] * 4 + [0] * 4], 8, 0).astype(bool)
TOP = LEFT.T


def write_masks(path, masks, classes=CLASSES):
    with write_store(path, "masks", {"columns": 8, "classes": [*classes], "splits": []}) as store:
        for cxr_id, mask in masks.items():
            store.append(cxr_id, np.stack([mask] * len(classes)))
    return path


@pytest.fixture
def files(tmp_path):
    """Experts drew the left half of all X-rays; a source made the top half, but not of v2."""
    index = {
        "cxr_id": [*SPLITS], "path": "x", "patient": [*SPLITS], "split": [*SPLITS.values()],
        "Edema": [1, 1, 0, 1, 0, 1],
    }  # fmt: skip
    pd.DataFrame(index).to_csv(tmp_path / "index.csv", index=False)
    drawn = {"e1": LEFT, "v1": LEFT, "e2": LEFT & False, "v2": LEFT}
    return {
        "index": tmp_path / "index.csv",
        "truth": (write_masks(tmp_path / "drawn.h5", drawn),),
        "masks": (write_masks(tmp_path / "made.h5", {i: TOP for i in SPLITS if i != "v2"}),),
    }


def scored(files, out, **values):
    values = {"names": ("cam",), "splits": ("expert,validation",)} | values
    maps_out = out.with_name(f"maps_{out.name}")
    score_masks.run(**{**files, **values}, out=out, maps_out=maps_out, settings=SETTINGS)
    return pd.read_csv(out)


def scored_maps(files, out, **values):
    """The table of the maps."""
    scored(files, out, **values)
    return pd.read_csv(out.with_name(f"maps_{out.name}"))


def values(table, metric="iou_dataset", **where):
    rows = table[table["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.set_index("pathology")["value"].round(4).to_dict()


def test_each_split_is_scored_by_itself_and_no_other(files, tmp_path):
    table = scored(files, tmp_path / "q.csv")
    assert list(table) == ["masks", *score_masks.COLUMNS]
    groups = table[["masks", "split"]].drop_duplicates().values.tolist()
    assert groups == [["cam", "expert"], ["cam", "validation"], ["blind_mean", "validation"]]
    # Top and left half share a quarter. Of the split expert, e2 has no truth: 16 / (48 + 32).
    third = round(1 / 3, 4)
    assert values(table, masks="cam", split="validation") == dict.fromkeys(
        (*CLASSES, "mean"), third
    )
    assert values(table, masks="cam", split="expert") == dict.fromkeys((*CLASSES, "mean"), 0.2)
    assert values(table, "precision", masks="cam", split="expert")["mean"] == 0.25
    assert values(table, "recall", masks="cam", split="expert")["mean"] == 0.5
    n = table.groupby(["masks", "split"])["n_images"].agg(["min", "max"]).values.tolist()
    assert n == [[2, 2], [1, 1], [1, 1]]  # v2 is missing in the source


def test_the_blind_mask_is_chosen_on_expert_and_gated_by_labels_where_there_are_any(
    files, tmp_path
):
    blind = values(scored(files, tmp_path / "q.csv"), masks="blind_mean")
    # It is the left half, as the truth of v1 and v2. v2 has no label of edema; of tuberculosis
    # there are no labels.
    assert blind == {"Edema": 0.5, "Tuberculosis": 1.0, "mean": 0.75}


def test_a_source_that_learnt_from_experts_is_scored_on_validation_only(files, tmp_path):
    table = scored(files, tmp_path / "q.csv", splits=("validation",))
    assert set(table.loc[table["masks"] == "cam", "split"]) == {"validation"}


def test_a_study_without_other_masks_has_the_blind_row(files, tmp_path):
    table = scored({**files, "masks": ()}, tmp_path / "q.csv", names=(), splits=())
    assert set(table["masks"]) == {"blind_mean"}


def test_same_bytes_each_time(files, tmp_path):
    scored(files, tmp_path / "1.csv")
    scored(files, tmp_path / "2.csv")
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert (tmp_path / "maps_1.csv").read_bytes() == (tmp_path / "maps_2.csv").read_bytes()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"names": ("cam", "cam")}, "each source once"),
        ({"names": ("cam", "irnet")}, "1 shards"),
        ({"names": ()}, "1 shards"),
        ({"splits": ()}, "0 lists of splits"),
        ({"masks": ()}, "0 shards"),
        ({"map_names": ("gradcam",)}, "0 shards"),
    ],
)
def test_names_shards_and_splits_belong_together(files, tmp_path, wrong, told):
    with pytest.raises(InputError, match=told):
        scored(files, tmp_path / "q.csv", **wrong)


def test_all_that_is_wrong_with_the_sources(files, tmp_path):
    other = write_masks(tmp_path / "other.h5", {"v1": TOP}, ("Mass", "Fracture"))
    with pytest.raises(InputError) as caught:
        scored(files, tmp_path / "q.csv", masks=(*files["masks"], other), names=("cam", "other"),
               splits=("expert,test", "validation"))  # fmt: skip
    assert [problem.found for problem in caught.value.problems] == [
        "masks of Mass, Fracture", "'test'"
    ]  # fmt: skip
    assert not (tmp_path / "q.csv").exists()


# Saliency maps

PEAK_LEFT, PEAK_RIGHT = np.array([[0, 0], [3, 1]]), np.array([[0, 2], [0, 1]])


def write_maps(path, maps, classes=CLASSES):
    with write_store(path, "saliency", {"classes": [*classes], "method": "gradcam"}) as store:
        for cxr_id, of_classes in maps.items():
            store.append(cxr_id, np.stack(of_classes))
    return path


def test_maps_hit_where_their_peak_is_in_the_experts_mask(files, tmp_path):
    """The experts drew the left half of e1, v1 and v2, and nothing on e2."""
    maps = dict.fromkeys(SPLITS, (PEAK_LEFT, PEAK_RIGHT)) | {"v2": (PEAK_RIGHT, PEAK_LEFT * 0)}
    path = write_maps(tmp_path / "maps.h5", maps)
    table = scored_maps(files, tmp_path / "q.csv", maps=(path,), map_names=("gradcam",))
    assert list(table) == ["saliency", *score_masks.COLUMNS]
    assert set(table["metric"]) == {"hit_rate"}
    groups = table[["saliency", "split"]].drop_duplicates().values.tolist()
    assert groups == [
        ["gradcam", "expert"],
        ["gradcam", "validation"],
        ["blind_mean", "validation"],
    ]
    hits = {
        split: values(table, "hit_rate", saliency="gradcam", split=split)
        for split in ("expert", "validation")
    }
    assert hits == {
        "expert": {"Edema": 1, "Tuberculosis": 0, "mean": 0.5},
        "validation": {"Edema": 0.5, "Tuberculosis": 0, "mean": 0.25},
    }
    n = table.groupby(["saliency", "split"])["n_images"].agg(["min", "max"]).values.tolist()
    assert n == [[2, 2], [1, 1], [2, 2]]  # e2 has no truth
    # All of e1's left half is shared alike: its middle is in the left half of v1 and v2.
    assert values(table, "hit_rate", saliency="blind_mean")["mean"] == 1


def test_maps_change_no_score_of_masks(files, tmp_path):
    maps = write_maps(tmp_path / "maps.h5", dict.fromkeys(SPLITS, (PEAK_LEFT, PEAK_LEFT)))
    scored(files, tmp_path / "1.csv")
    scored(files, tmp_path / "2.csv", maps=(maps,), map_names=("cam",))
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_maps_of_other_classes_are_refused(files, tmp_path):
    path = write_maps(tmp_path / "maps.h5", {"v1": (PEAK_LEFT, PEAK_LEFT)}, ("Heart", "Fracture"))
    with pytest.raises(InputError, match="saliency of Heart, Fracture"):
        scored(files, tmp_path / "q.csv", maps=(path,), map_names=("gradcam",))
    assert not (tmp_path / "q.csv").exists()
