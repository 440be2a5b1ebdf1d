"""What is wrong with sweeps, each with row and column of the value, the key or the sweep."""

import copy
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chexseg.config.study import load_study, read_study
from chexseg.config.sweeps import MOST_POINTS
from chexseg.errors import InputError
from tests.unit.config.small_config import GOOD, found_in, good, problems_of
from tests.unit.data.fuzzing import examples

BASE = """\
study: s
phantom: {}
defaults: {classifiers: {initial_weights: none}, segmenters: {initial_weights: none}}
classifiers: {dense: {}, other: {}}
saliency: {gradcam: {method: gradcam, classifiers: [dense]}}
masks: {cam: {source: threshold, saliency: gradcam}, gap: {source: threshold, saliency: gradcam}}
segmenters:
  full: {masks: [expert]}
  both: {masks: {expert: 0.9, cam: 0.1}}
  list: {masks: [expert, cam, gap]}
  both-epochs_7: {masks: [cam]}
sweeps:
"""

WRONG = {
    # of
    "{of: bth, epochs: [1]}": ("13:7", "'bth'", "Did you mean 'both'?"),
    "{of: [full, bth], seeds: 2}": ("13:18", "'bth'", "Did you mean 'both'?"),
    "{of: [full, full], seeds: 2}": ("13:18", "'full' twice", "Delete one of the two."),
    "{epochs: [1]}": ("13:3", "no 'sweeps.a.of'", "Add 'of'."),
    "{of: both}": ("13:3", "no factors", "See config/README.md."),
    # keys
    "{of: both, epocs: [1]}": ("13:17", "unknown factor 'epocs'", "Did you mean 'epochs'?"),
    "{of: both, exprt: [1]}": ("13:17", "unknown factor 'exprt'", "Did you mean 'expert'?"),
    "{of: full, cam: [1]}": ("13:17", "unknown factor 'cam'", "Did you mean"),
    "{of: both, masks.cm.threshold: [1]}": ("13:17", "'cm.threshold'", "Did you mean 'cam'?"),
    "{of: both, masks.cam.treshold: [1]}": (
        "13:17", "unknown key 'masks.cam.treshold'", "Did you mean 'threshold'?",
    ),
    "{of: both, masks.cam.threshold.x: [1]}": (
        "13:17", "unknown key 'masks.cam.threshold.x'", "Shorten it.",
    ),
    "{of: full, masks.cam.threshold: [0.4]}": (
        "13:17", "'masks.cam', on which 'full' does not depend",
        "Let 'full' use it, or delete this factor.",
    ),
    "{of: both, x: {epochs: [1], classifiers.other.epochs: [1]}}": (
        "13:34", "'classifiers.other', on which 'both' does not depend",
        "Let 'both' use it, or delete this factor.",
    ),
    "{of: full, confidence: [0.8, 0.9]}": (
        "13:17", "'segmenters.full.confidence', which changes nothing in any run",
        "Change the settings that switch it off, or delete this factor.",
    ),
    "{of: both, data.index.seed: [1]}": (
        "13:17", "'data.index.seed', a setting of the whole study",
        "Run another study: snakemake --config study=NAME 'data={index: {seed: VALUE}}'",
    ),
    "{of: both, phantom.seed: [1]}": (
        "13:17", "'phantom.seed', a setting of the whole study",
        "Run another study: snakemake --config study=NAME 'phantom={seed: VALUE}'",
    ),
    "{of: both, seeds: 2, seed: [1]}": ("13:17", "both 'seeds' and 'seed'", "Delete one."),
    "{of: both, epochs: [1], x: {epochs: [1]}}": (
        "13:34", "'segmenters.both.epochs', which 'epochs' sets too", "Delete one of the two.",
    ),
    "{of: both, expert: [0.1], cam: [0.3]}": (
        "13:17", "'segmenters.both.masks', which 'cam' sets too", "Delete one of the two.",
    ),
    "{of: both, x: {expert: [0.1], cam: [0.3]}}": (
        "13:36", "'segmenters.both.masks', which 'x' sets too", "Delete one of the two.",
    ),
    # values
    "{of: both, epochs: []}": ("13:17", "[] for 'sweeps.a.epochs'", "Correct 'sweeps.a.epochs'."),
    "{of: both, epochs: 3}": ("13:17", "3 for 'sweeps.a.epochs'", "Correct 'sweeps.a.epochs'."),
    "{of: both, seeds: 0}": ("13:17", "0 for 'sweeps.a.seeds'", "Correct 'sweeps.a.seeds'."),
    "{of: both, epochs: [3, 2, 3]}": ("13:32", "3 twice", "Delete one of the two."),
    "{of: both, epochs: [3, x]}": (
        "13:29", "'x' for 'sweeps.a.epochs.1'", "Correct 'sweeps.a.epochs.1'.",
    ),
    "{of: both, encoder: [resnt18]}": (
        "13:27", "'resnt18' for 'sweeps.a.encoder.0'", "Did you mean 'resnet18'?",
    ),
    "{of: both, initial_weights: [densse]}": ("13:35", "'densse'", "Did you mean 'imagenet'?"),
    "{of: both, masks.cam.threshold: [0.2, 3]}": (
        "13:44", "3 for 'sweeps.a.masks.cam.threshold.1'",
        "Correct 'sweeps.a.masks.cam.threshold.1'.",
    ),
    "{of: both, masks.cam.saliency: [gradcm]}": ("13:38", "'gradcm'", "Did you mean 'gradcam'?"),
    "{of: both, expert: [0.5, 1.5]}": (
        "13:31", "1.5", "Correct it: the other sources get the rest.",
    ),
    "{of: both, expert: [evenly]}": (
        "13:26", "'evenly'", "Correct it: the other sources get the rest.",
    ),
    "{of: full, expert: [0.5]}": (
        "13:17", "'expert', the only source of 'full'", "Give it a second source.",
    ),
    "{of: list, expert: [0.5]}": (
        "13:17", "no weights of the 2 other sources of 'list'",
        "Write its masks as names with weights: they divide what 'expert' leaves.",
    ),
    "{of: both, masks: [{expert: 1}]}": (
        "13:25", "a value without a name", "Write an entry with it in its section.",
    ),
    "{of: both, x: {epochs: [1, 2], seed: [1]}}": (
        "13:17", "lists of 1 and 2 values", "Complete them.",
    ),
    "{of: both, seeds: 251, epochs: [1, 2]}": ("13:3", "2 x 251 runs", "Take fewer values."),
    "{of: both, epochs: {seed: [1]}}": (
        "13:17", "keys that are set together as 'epochs', which is a setting of 'both'",
        "Rename the factor.",
    ),
    "{of: both, cam: {seed: [1]}}": (
        "13:17", "keys that are set together as 'cam', which is a source of masks",
        "Rename the factor.",
    ),
    "{of: both, gap: {seed: [1]}}": (
        "13:17", "keys that are set together as 'gap', which is a source of masks",
        "Rename the factor.",
    ),
    "{of: both, weights: {seed: [1]}}": (
        "13:17", "keys that are set together as 'weights', which is a column of runs.csv",
        "Rename the factor.",
    ),
    "{of: both, masks.cam: {seed: [1]}}": (
        "13:17", "keys that are set together as 'masks.cam', which is a setting of another entry",
        "Rename the factor.",
    ),
    # names
    "{of: both, epochs: [7]}": (
        "13:3", "two different entries 'both-epochs_7' in segmenters",
        "Rename the entry, or the factor.",
    ),
    "{of: both, initial_weights: [a/b.pt, a-b.pt, a_b.pt]}": (
        "13:51", "a_b.pt twice", "Delete one of the two.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sweep", WRONG)
def test_a_wrong_sweep(tmp_path, sweep):
    where, found, remedy = WRONG[sweep]
    problems = problems_of(f"{BASE}  a: {sweep}\n", tmp_path)
    (told,) = [problem for problem in problems if problem[0] == where]
    assert told[1] == found
    assert told[3].startswith(remedy)
    if "of:" in sweep:
        assert len(problems) == 1


def test_what_is_expected_is_said(tmp_path):
    def expected(sweep):
        return problems_of(f"{BASE}  a: {sweep}\n", tmp_path)[0][2]

    assert expected("{of: bth, epochs: [1]}") == (
        "one of segmenters: both-epochs_7, full, both, list"
    )
    assert expected("{of: both, masks.cm.threshold: [1]}") == (
        "one of masks: cam, expert, gap, and a key of it"
    )
    assert expected("{of: both, expert: [2]}") == "a weight from 0 to 1, or 'unweighted'"
    assert expected("{of: both, seeds: 500, epochs: [1, 2]}") == f"at most {MOST_POINTS}"


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    text = f"{BASE}  a: {{of: both, expert: [2, 0.1, x], encodr: [resnet18]}}\n"
    text += "  b: {of: both, epochs: [0], batch_size: [4, 0]}\n  c: {of: none, seeds: 2}\n"
    assert [where for where, *_ in problems_of(text, tmp_path)] == [
        "13:38", "13:26", "13:34", "15:7", "14:26", "14:46",
    ]  # fmt: skip


def test_all_sweeps_together_are_bounded(tmp_path):
    text = f"{BASE}  a: {{of: both, seeds: 400}}\n  b: {{of: full, seeds: 101}}\n"
    [(where, found, *_)] = problems_of(text, tmp_path)
    assert (where, found) == ("14:3", "101 runs and 400 of other sweeps")
    path = tmp_path / "study.yaml"
    path.write_text(text.replace("101", "100"))
    assert sum(map(len, load_study(path).unfolded.points.values())) == 500


def test_a_mistake_in_an_entry_is_one_problem_however_often_it_is_copied(tmp_path):
    text = BASE.replace("both: {", "both: {epochs: many, ").replace("irnet: {", "irnet: {x: 1, ")
    text += "  a: {of: both, seeds: 3, expert: [0.1, 0.5], masks.cam.threshold: [0.1, 0.2]}\n"
    assert [problem[:2] for problem in problems_of(text, tmp_path)] == [
        ("9:10", "'many' for 'segmenters.both.epochs'")
    ]


def test_a_name_that_is_too_long():
    config = good(sweeps={"a": {"of": "both", "masks.irnet.labels.ground_truth_probability": [0.6],
                                "masks.irnet.labels.bilateral_compatibility": [5]}})  # fmt: skip
    (found, remedy) = found_in(config)[0]
    assert found == (
        "a run or entry named 'irnet-labels.bilateral_compatibility_5-labels.ground_truth_"
        "probability_0.6', of 74 characters"
    )
    assert remedy.startswith("Shorten the names of entries")


def test_two_runs_that_would_have_one_name():
    one, other = {"epochs": [3]}, {"epochs": [3], "masks.irnet.walk.beta": [3]}
    config = good(sweeps={"a": {"of": "both", "x": one}, "b": {"of": "both", "x": other}})
    assert found_in(config)[0][0] == "two different entries 'both-x_3' in segmenters"


def test_cycles_of_entries_end():
    config = good(sweeps={"a": {"of": "x", "epochs": [3], "classifiers.dense.epochs": [1]}})
    config["segmenters"]["x"] = {"masks": ["irnet"], "validation": "x"}
    assert "'x'" in [found for found, _ in found_in(config)]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 600) | st.floats() | st.sampled_from(
        ["full", "both", "expert", "irnet", "unweighted", "seed", "", "masks.irnet.walk", "x/y"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["of", "seeds", "seed", "masks", "expert", "masks.irnet.walk", "masks.irnet.walk.beta",
             "masks.irnet", "classifiers.dense.epochs", "initial_weights", 3, "a"]
        ), inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@examples(300)
@given(data=st.data())
def test_whatever_stands_in_a_sweep_is_read_or_refused(data):
    config = copy.deepcopy(GOOD)
    config["sweeps"] = data.draw(
        st.dictionaries(st.sampled_from(["a", "b", 1]), ANYTHING | st.fixed_dictionaries(
            {"of": st.sampled_from(["full", "both"])},
            optional={"expert": ANYTHING, "masks.irnet.walk.beta": ANYTHING, "seeds": ANYTHING},
        ), max_size=2)
    )  # fmt: skip
    section = data.draw(st.sampled_from(["classifiers", "masks", "segmenters", "saliency", "seed"]))
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from([*GOOD[section]])) if section != "seed" else ""
        place = config[section] if name and data.draw(st.booleans()) else config
        place[name if place is not config else section] = data.draw(ANYTHING)
    with suppress(InputError):
        read_study(yaml.safe_load(yaml.safe_dump(config)))
