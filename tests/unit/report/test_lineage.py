from pathlib import Path

from PIL import Image

from chexseg.audit.lineage import lineage_of
from chexseg.audit.study import Study
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Inputs
from chexseg.report.lineage import Box, _arrange, _boxes, _grouped, draw
from chexseg.report.pictures import save


def drawn(study):
    bands, boxes = _boxes(lineage_of(Study(study), "summary.csv"))
    return bands, [box for box in boxes if box.label], boxes


def test_stages_are_bands_behind_what_they_need(study):
    bands, named, _ = drawn(study)
    assert bands[:2] == ["make-phantom", "build-index"]
    assert bands[-1] == "score-runs"
    order = ["train-classifier", "compute-saliency", "label-affinity", "train-irnet"]
    assert sorted(order, key=bands.index) == order
    entries = {(bands[box.band], box.label.split("\n")[0]) for box in named}
    assert {
        ("train-segmenter", "full"),
        ("count-overlaps", "chexseg"),
        ("store-images", "images"),
    } < (entries)


def test_an_arrow_that_others_replace_is_left_out(study):
    bands, named, boxes = drawn(study)
    box = {(bands[b.band], b.label): b for b in named}
    masks = box["make-masks", "irnet"]
    # It needs saliency maps, images and index too, but so does the affinity.
    assert [above.band for above in masks.above] == [bands.index("make-masks") - 1]
    for each in boxes:
        assert all(lower.band == each.band + 1 for lower in each.below)


def test_boxes_of_a_band_do_not_overlap(study):
    bands, named, boxes = drawn(study)
    layers = [[b for b in boxes if b.band == n] for n in range(len(bands))]
    _arrange(layers)
    for layer in layers:
        places = sorted(b.x for b in layer if b.label)
        assert all(b - a > 1 for a, b in zip(places, places[1:], strict=False))


def test_the_picture_is_the_same_each_time(study):
    for name in ("a.png", "b.png"):
        save(draw(Inputs(summary=study / "summary.csv"), FigureSettings()), Path(name))
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    with Image.open("a.png") as image:
        assert image.height > 600


def test_stages_that_need_each_other_have_several_bands(study, toy_stage):
    """Masks that a segmenter predicted train another, which starts from the first."""
    shards, first = study / "masks/teacher.h5", study / "segmenters/full/checkpoint.pt"
    second = study / "segmenters/student/checkpoint.pt"
    toy_stage("make-masks", {"checkpoint": [first]}, {"out": shards})
    toy_stage("train-segmenter", {"masks": [shards], "weights": [first]}, {"out": second})
    bands, boxes = _boxes(lineage_of(Study(study), "segmenters/student/checkpoint.pt"))
    order = ["make-masks", "train-segmenter", "make-masks (2)", "train-segmenter (2)"]
    assert sorted(order, key=bands.index) == order
    for each in boxes:
        assert all(lower.band == each.band + 1 for lower in each.below)


def test_raw_data_are_a_box(home):
    bands, _, _ = drawn("results/real")
    assert bands[0] == "raw data"


def test_the_seeds_of_a_run_are_one_box_where_there_are_many():
    masks = [Box(0, "cam"), Box(0, "expert")]
    runs = {name: Box(1, name) for of in ("full", "weak") for name in
            (of, *(f"{of}-seed_{n}" for n in range(1, 9)))}  # fmt: skip
    table = Box(2, "summary")
    sources = {box: set() for box in masks}
    sources |= {box: {masks["full" in name]} for name, box in runs.items()}
    sources[table] = set(runs.values())
    found = _grouped(sources)
    assert [box.label for box in found] == [
        "cam", "expert", "full\nand 8 more", "weak\nand 8 more", "summary",
    ]  # fmt: skip
    assert found[runs["full"]] == {masks[1]}
    assert found[table] == {runs["full"], runs["weak"]}


def test_few_boxes_stay_as_they_are():
    first, second = Box(0, "full"), Box(0, "full-seed_1")
    sources = {first: set(), second: set()}
    assert _grouped(sources) == sources
