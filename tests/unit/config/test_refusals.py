"""Configs that are refused, and the place of each problem."""

import pytest
import yaml

from chexseg.config.study import load_data, read_study
from tests.unit.config.small_config import GOOD, found_in, good, problems_of

BAD = """\
study: bad
sed: 3
phantom: {train_image: 5}
data:
  indx: {}
  index: {shard: 2, shards: 0}
  pathologies: [Edema, Lung Opacity]
defaults:
  clasifiers: {}
  segmenters: {encodr: x}
classifiers:
  c: {architecture: densnet121}
  d: {epochs: many}
saliency:
  g: {method: gradcam}
masks:
  irnet: {source: threshold, saliency: g, threshold: 2, treshold: 1}
  threshold:
    source: irnet
    walk: {betta: 5, radius: 1}
    trainig: {}
  c: {saliency: g}
  d: {source: thresold}
segmenters:
  s: {masks: [expert]}
  t: {masks: []}
prediction: {batchsize: 3}
"""

EXPECTED = {
    "2:1": ("unknown key 'sed'", "Did you mean 'seed'?"),
    "3:11": ("unknown key 'phantom.train_image'", "Did you mean 'train_images'?"),
    "5:3": ("unknown key 'data.indx'", "Did you mean 'index'?"),
    "6:11": ("unknown key 'data.index.shard'", "Did you mean 'shards'?"),
    "6:21": ("0 for 'data.index.shards'", "Correct 'data.index.shards'."),
    "7:24": ("'Lung Opacity' for 'data.pathologies.1'", "Did you mean 'Airspace Opacity'?"),
    "9:3": ("'clasifiers' for 'defaults.clasifiers'", "Did you mean 'classifiers'?"),
    "10:16": ("unknown key 'defaults.segmenters.encodr'", "Did you mean 'encoder'?"),
    "12:7": ("'densnet121' for 'classifiers.c.architecture'", "Did you mean 'densenet121'?"),
    "13:7": ("'many' for 'classifiers.d.epochs'", "Correct 'classifiers.d.epochs'."),
    "15:3": ("no 'saliency.g.classifiers'", "Add 'classifiers'."),
    "17:43": ("2 for 'masks.irnet.threshold'", "Correct 'masks.irnet.threshold'."),
    "17:57": ("unknown key 'masks.irnet.treshold'", "Did you mean 'threshold'?"),
    "18:3": ("no 'masks.threshold.saliency'", "Add 'saliency'."),
    "20:12": ("unknown key 'masks.threshold.walk.betta'", "Did you mean 'beta'?"),
    "20:22": (
        "1 for 'masks.threshold.walk.radius'",
        "Correct 'masks.threshold.walk.radius'.",
    ),
    "21:5": ("unknown key 'masks.threshold.trainig'", "Did you mean 'training'?"),
    "22:3": ("no 'masks.c.source'", "Add 'source'."),
    "23:7": ("'thresold' for 'masks.d.source'", "Did you mean 'threshold'?"),
    "26:7": ("[] for 'segmenters.t.masks'", "Correct 'segmenters.t.masks'."),
    "27:14": ("unknown key 'prediction.batchsize'", "Did you mean 'batch_size'?"),
}


def test_all_problems_at_once_each_with_row_column_and_the_nearest_name(tmp_path):
    found = problems_of(BAD, tmp_path)
    assert {where: (found, remedy) for where, found, _, remedy in found} == EXPECTED
    assert len(found) == len(EXPECTED)


def test_what_is_expected_is_said(tmp_path):
    expected = {where: expected for where, _, expected, _ in problems_of(BAD, tmp_path)}
    assert expected["6:21"] == "greater than or equal to 1"
    names = "'densenet121', 'densenet169', 'densenet_small', 'resnet18', 'resnet34', 'resnet50'"
    assert expected["12:7"] == f"{names} or 'resnet101'"
    assert expected["23:7"] == "'drawn', 'threshold', 'irnet', 'segmenter', 'consensus', 'boxes'"


@pytest.mark.parametrize(
    "name",
    ["a b", "../x", "$(x)", "a/b", "", ".hidden", "-x", "a\n", "é", "x" * 65, "a;b", "'a'", '"a"'],
)
@pytest.mark.parametrize("section", ["classifiers", "segmenters", "saliency", "masks"])
def test_names_of_entries_are_names_of_folders(section, name):
    entry = next(iter(GOOD[section].values()))
    found = found_in(good(**{section: {name: entry}}))
    assert (repr(name), "Rename it.") in found
    ok = good(**{section: {"A-1.b_c": entry}})
    assert "A-1.b_c" in getattr(read_study(ok), section)


@pytest.mark.parametrize("name", ["a b", "../x", "$(x)", "-x", "é", "a;b", "'a'", '"a"'])
def test_the_study_is_named_like_a_folder_too(name):
    assert found_in(good(study=name)) == [(repr(name), "Rename it.")]


def test_a_wrong_name_has_its_place(tmp_path):
    text = "study: s\nphantom: {}\nclassifiers:\n  ok: {}\n  $(x): {}\n  1: {}\n"
    expected = "a name of letters, digits, '_', '-' and '.', starting with a letter or digit"
    assert problems_of(text, tmp_path) == [
        ("5:3", "'$(x)'", expected, "Rename it."),
        ("6:3", "1 for 'classifiers.1'", "a text", "Correct 'classifiers.1'."),
    ]


def test_a_wrong_seed_is_one_problem_though_all_inherit_it(tmp_path):
    text = yaml.safe_dump(good(seed="x"), sort_keys=False)
    assert [(where, found) for where, found, *_ in problems_of(text, tmp_path)] == [
        ("2:1", "'x' for 'seed'")
    ]


def test_a_wrong_default_is_one_problem_though_all_inherit_it(tmp_path):
    text = "study: s\nphantom: {}\ndefaults:\n  classifiers: {epochs: 0}\n"
    text += "classifiers: {a: {}, b: {}, c: {epochs: 2}}\n"
    assert [(where, found) for where, found, *_ in problems_of(text, tmp_path)] == [
        ("4:17", "0 for 'defaults.classifiers.epochs'")
    ]


@pytest.mark.parametrize(
    ("shared", "found"),
    [
        ("{nonsense: 3}", "unknown key 'defaults.segmenters.nonsense'"),
        ("{epochs: 0}", "0 for 'defaults.segmenters.epochs'"),
    ],
)
@pytest.mark.parametrize("heirs", ["", "segmenters: {a: {masks: [expert], epochs: 2}}\n"])
def test_defaults_are_checked_whoever_inherits_them(tmp_path, shared, found, heirs):
    text = f"study: s\nphantom: {{}}\ndefaults:\n  segmenters: {shared}\n{heirs}"
    assert [problem[:2] for problem in problems_of(text, tmp_path)] == [("4:16", found)]


def test_a_wrong_entry_of_a_list_is_one_problem(tmp_path):
    text = "study: s\nphantom: {}\ndata: {pathologies: [Edma]}\n"
    assert {problem[:2] for problem in problems_of(text, tmp_path)} == {("3:22", "'Edma'")}
    text = "study: s\nphantom: {}\ndata: {pathologies: []}\n"
    assert [problem[:2] for problem in problems_of(text, tmp_path)] == [
        ("3:8", "[] for 'data.pathologies'")
    ]


@pytest.mark.parametrize(
    ("section", "name", "remedy"),
    [
        ("segmenters", "full.json.provenance", "Records are named so: take '.provenance' out."),
        ("classifiers", "a.provenance.json", "Records are named so: take '.provenance' out."),
        ("masks", "a.provenance.json", "Records are named so: take '.provenance' out."),
    ],
)
def test_names_of_entries_whose_files_would_meet(section, name, remedy):
    entry = next(iter(GOOD[section].values()))
    [(found, told)] = found_in(good(**{section: {name: entry}}))
    assert found == repr(name)
    assert told.startswith(remedy)


def test_the_blind_mean_mask_is_no_source_and_no_map():
    told = ("'blind_mean'", "It means the mean of the experts' masks.")
    assert found_in(good(masks={"blind_mean": {"source": "drawn"}})) == [told]
    maps = {"method": "gradcam", "classifiers": ["dense"]}
    assert found_in(good(saliency={"blind_mean": maps})) == [told]


@pytest.mark.parametrize(
    ("value", "expected", "remedy"),
    [
        ("ots", "'otsu'", "Did you mean 'otsu'?"),
        ("1.5", "less than or equal to 1", "Correct 'masks.cam.threshold'."),
        ("[otsu]", "a number", "Correct 'masks.cam.threshold'."),
    ],
)
def test_a_threshold_is_a_number_or_otsu(tmp_path, value, expected, remedy):
    text = f"""\
study: s
phantom: {{}}
classifiers: {{c: {{}}}}
saliency: {{g: {{method: gradcam, classifiers: [c]}}}}
masks:
  cam: {{source: threshold, saliency: g, threshold: {value}}}
"""
    [(where, found, wanted, told)] = problems_of(text, tmp_path)
    assert where == "6:41"
    assert found.endswith("for 'masks.cam.threshold'")
    assert (wanted, told) == (expected, remedy)


def test_scales_without_the_x_ray_itself():
    maps = {"method": "gradcam", "classifiers": ["dense"], "scales": [0.5, 2]}
    [(found, remedy)] = found_in(good(saliency={"gradcam": maps}))
    assert (found, remedy) == ("scales 0.5, 2", "Add 1, or delete what is there twice.")


def test_a_name_that_meets_no_other():
    config = good(segmenters={"full_overlaps": {"masks": ["expert"]}})
    assert "full_overlaps" in read_study(config).segmenters
    assert found_in(good(study="s.provenance.json"))[0][0] == "'s.provenance.json'"


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("study: s\ndata: {root: d}\nsegmenter: {}\n", "d"),
        ("data: {root: d}\nsegmenters: 3\n", "d"),
        ("study: s\ndata: {root: d, rot: 1}\n", None),
        ("study: s\ndata: {root: d}\nphantom: {}\n", None),
        ("study: s\ndata: 3\n", None),
        ("study: s\nphantom: {}\n", None),
        ("study: [\n", None),
    ],
)
def test_the_data_of_a_config_that_may_be_wrong_elsewhere(tmp_path, text, root):
    (tmp_path / "c.yaml").write_text(text)
    data = load_data(tmp_path / "c.yaml")
    assert (data and data.root) == root


def test_the_data_are_either_real_or_a_phantom():
    config = good(phantom=None)
    assert found_in(config) == [("neither data.root nor phantom", "Set 'data.root'.")]
    config = good(data={"root": "data"})
    remedy = "Delete 'phantom', or 'data.root' to study the phantom."
    assert found_in(config) == [("both data.root and phantom", remedy)]
    assert read_study(good(phantom=None, data={"root": "data"})).phantom is None


def test_pathologies_are_named_once_and_some_of_them_select():
    config = good(data={"pathologies": ["Edema", "Edema"]})
    config["segmenters"]["full"]["selection"] = ["Edema", "Atelectasis"]
    assert found_in(config) == [
        ("'Edema' twice", "Delete one of the two."),
        ("'Atelectasis'", "Add it to data.pathologies."),
    ]


def test_shards_that_no_command_could_name():
    [(found, remedy)] = found_in(good(data={"index": {"shards": 4000}}))
    assert found == "4000 shards"
    assert "too long for Linux" in remedy
    assert read_study(good(data={"index": {"shards": 400}})).data.index.shards == 400
