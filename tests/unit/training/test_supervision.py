"""What a segmenter may learn from, and what is refused."""

import numpy as np
import pytest

from chexseg.errors import InputError
from chexseg.files.store import write_store
from chexseg.training.supervision import supervision

SPLITS = {"a": "train", "b": "expert", "c": "validation", "d": "test", "e": "train", "f": "expert"}
CLASSES = ("Edema", "Fracture")


@pytest.fixture
def index(tmp_path):
    path = tmp_path / "index.csv"
    path.write_text("cxr_id,split\n" + "".join(f"{i},{s}\n" for i, s in SPLITS.items()))
    return path


@pytest.fixture
def masks(tmp_path):
    """Writes a store of masks and returns its path."""

    def write(name, ids, splits, classes=CLASSES):
        meta = {"columns": 4, "classes": list(classes), "splits": list(splits)}
        with write_store(tmp_path / f"{name}.h5", "masks", meta) as store:
            for cxr_id in ids:
                store.append(cxr_id, np.full((len(classes), 4, 4), cxr_id in "ab"))
        return tmp_path / f"{name}.h5"

    return write


def problems_of(*arguments):
    with pytest.raises(InputError) as caught:
        supervision(*arguments)
    return [str(problem) for problem in caught.value.problems]


def test_x_rays_are_those_of_the_store_in_its_splits_and_the_order_of_the_index(index, masks):
    shards = [masks("0", "fcb", ["expert"]), masks("1", "ed", ["train"])]
    drawn, made = supervision(index, shards, ("drawn", "made"), (), CLASSES)[0]
    assert (drawn.name, drawn.ids) == ("drawn", ["b", "f"])  # not `c`: it selects
    assert (made.name, made.ids) == ("made", ["e"])  # `a` has no mask
    assert drawn.targets["masks"]("b").shape == (2, 4, 4)
    assert drawn.targets["masks"]("b").all()
    assert not drawn.targets["masks"]("f").any()


def test_shards_belong_to_the_sources_in_their_order(index, masks):
    shards = [masks("0", "a", ["train"]), masks("1", "e", ["train"])]
    shards += [masks("2", "b", ["expert"]), masks("3", "f", ["expert"])]
    sources, stores = supervision(index, shards, ("made", "drawn"), (0.5, 0.5), CLASSES)
    assert [source.ids for source in sources] == [["a", "e"], ["b", "f"]]
    assert [store.paths for store in stores] == [shards[:2], shards[2:]]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_masks_of_x_rays_that_judge_may_not_train(index, masks, split):
    shards = [masks("0", "abcd", ["expert", split])]
    (problem,) = problems_of(index, shards, ("all",), (), CLASSES)
    assert f"training X-rays of {split}" in problem


def test_masks_that_name_no_split_train_nobody(index, masks):
    (problem,) = problems_of(index, [masks("0", "abcd", [])], ("none",), (), CLASSES)
    assert "no training X-ray in the masks 'none'" in problem


def test_a_source_without_x_rays_can_only_have_weight_0(index, masks):
    shards = [masks("0", "a", ["train"]), masks("1", "c", ["expert"])]
    sources, _ = supervision(index, shards, ("made", "drawn"), (1, 0), CLASSES)
    assert [len(source.ids) for source in sources] == [1, 0]
    for mixing in ((), (0.5, 0.5)):
        (problem,) = problems_of(index, shards, ("made", "drawn"), mixing, CLASSES)
        assert "in the masks 'drawn'" in problem


def test_all_problems_of_the_stores_are_told_together(index, masks):
    shards = [masks("0", "a", ["test"]), masks("1", "b", ["expert"], classes=("Edema",))]
    told = problems_of(index, shards, ("made", "drawn"), (), CLASSES)
    assert len(told) == 3  # the classes, the split, no X-ray of it
    assert "masks of Edema, Fracture" in told[0]


@pytest.mark.parametrize("classes", [("Fracture", "Edema"), ("Edema",), (*CLASSES, "Mass")])
def test_all_sources_have_the_classes_of_the_truth(index, masks, classes):
    (problem,) = problems_of(index, [masks("0", "a", ["train"])], ("made",), (), classes)
    assert "the same classes" in problem


@pytest.mark.parametrize(
    ("names", "mixing", "told"),
    [
        (("one", "two", "three"), (), "2 shards"),
        ((), (), "2 shards"),
        (("one", "one"), (), "each source once"),
        (("one", "two"), (1,), "1 weights for 2 sources"),
        (("one", "two"), (0.7, 0.7), "that sum to 1.4"),
        (("one", "two"), (1.5, -0.5), "below 0"),
    ],
)
def test_sources_and_weights_that_do_not_fit(index, masks, names, mixing, told):
    shards = [masks("0", "a", ["train"]), masks("1", "b", ["expert"])]
    (problem,) = problems_of(index, shards, names, mixing, CLASSES)
    assert told in problem


def test_x_rays_that_may_show_a_held_out_finding_teach_nothing(tmp_path, masks):
    index = tmp_path / "labels.csv"
    rows = ["a,train,1,0", "b,train,-1,0", "c,train,0,1", "d,train,,0", "e,train,0,0"]
    index.write_text("\n".join(["cxr_id,split,Edema,Fracture", *rows, ""]))
    shards = [masks("0", "abcde", ["train"])]

    def ids(*held_out):
        sources, _ = supervision(index, shards, ("m",), (), CLASSES, held_out=held_out)
        return sources[0].ids

    assert ids() == ["a", "b", "c", "d", "e"]
    assert ids("Edema") == ["c", "d", "e"]
    assert ids("Edema", "Fracture") == ["d", "e"]


def test_what_a_store_holds_beside_masks_is_a_target(tmp_path, index, masks):
    meta = {"columns": 4, "classes": list(CLASSES), "splits": ["train"]}
    with write_store(tmp_path / "m.h5", "masks", meta) as store:
        for number, cxr_id in enumerate("ae"):
            mask = np.zeros((2, 4, 4), bool)
            store.append(cxr_id, mask, {"boxes": np.full(8, number, np.float32)})
    shards, named = [tmp_path / "m.h5"], (("m",), (), CLASSES)
    sources, _ = supervision(index, shards, *named, numbers=("boxes",))
    assert sources[0].targets["boxes"]("e").tolist() == [1] * 8
    assert set(supervision(index, shards, *named)[0][0].targets) == {"masks"}
    with pytest.raises(InputError, match="masks without agreement"):
        supervision(index, shards, *named, numbers=("boxes", "agreement"))
