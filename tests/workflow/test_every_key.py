"""What a changed setting makes run again: every key of the config's schema, in `defaults` too.

The keys come from the schema, and what is expected from the tables in `keys.py` and the edges of the
graph; nothing is shared with the code that decides which settings a command is given.
"""

import copy
from pathlib import Path

import pytest

from chexseg.config.reference import schema
from chexseg.errors import InputError
from tests.workflow.keys import (
    ALONE,
    ANOTHER,
    DIRECTLY,
    ENTRY,
    LISTED,
    NOTHING,
    ONLY,
    REFUSED,
    VALUES,
)
from tests.workflow.stand_in import DEMO, downstream, read, running

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reruns")]


def keys(node, path=()):
    """Yields the path of every key in a part of the schema that is no group of keys itself."""
    if "$ref" in node:
        node = {**SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], **node}
    options = [each for each in node.get("anyOf", []) if each.get("type") != "null"]
    if len(options) == 1 and "$ref" in options[0]:
        yield from keys(options[0], path)
    elif any("properties" in option for option in options):  # the section `data`, for each layout
        yield from dict.fromkeys(key for option in options for key in keys(option, path))
    elif entries := entries_of(node):
        for each in entries:
            model = each["$ref"].rpartition("/")[2]
            yield from keys(each, (*path, ENTRY.get(model) or ENTRY[path[0]]))
    elif node.get("properties"):
        for name, inner in node["properties"].items():
            yield from keys(inner, (*path, name))
    else:
        yield path


def entries_of(node):
    """The models of the entries of a section; none if the node is no section."""
    entries = list(node.get("patternProperties", {}).values())
    options = [each for entry in entries for each in entry.get("oneOf", [entry])]
    return [each for each in options if "$ref" in each]


SCHEMA = schema()
KEYS = {".".join(path): path for path in keys(SCHEMA)}


def place(config, path):
    for step in path:
        config = config.setdefault(step, {})
    return config


def another(path, current):
    """Another value of a key, of the same kind."""
    if path[-1] == "architecture":
        return "unet" if "segmenters" in path else "densenet121"
    if path[-1] in VALUES and path[0] != "phantom":
        Path("other.pt").touch()
        return next(value for value in VALUES[path[-1]] if value != current)
    if isinstance(current, bool):
        return not current
    if isinstance(current, str):
        return f"{current}_2"
    return (
        1 if current is None else current + 1 if isinstance(current, int) else current * 0.9 or 0.25
    )


def current(path):
    """The value of a key in the demo, after defaults."""
    from chexseg.config.study import read_study

    value = read_study(DEMO)
    for step in path:
        value = value[step] if isinstance(value, dict) else getattr(value, step)
    return value


def changed(path, value):
    config = copy.deepcopy(DEMO)
    if path[0] == "masks":
        config["masks"].setdefault("expert", {"source": "drawn"})
    place(config, path[:-1])[path[-1]] = value
    return config


SHARED = sorted(k for k in KEYS if k.startswith("defaults.") and k not in {*ALONE, *ANOTHER})
OWN = sorted(set(KEYS) - set(SHARED) - set(ANOTHER) - ONLY - REFUSED - set(ALONE))


@pytest.mark.parametrize("key", OWN)
def test_a_key_reruns_what_depends_on_it(in_stood_in, key):
    path = KEYS[key]
    prefix = max((p for p in DIRECTLY if f"{key}.".startswith(f"{p}.")), key=len)
    directly = [] if key in NOTHING else [*DIRECTLY[prefix]]
    jobs = read(changed(path, another(path, current(path))))
    assert running(jobs) == downstream(jobs, directly)
    assert bool(directly) == bool(running(jobs))


@pytest.mark.parametrize("key", SHARED)
def test_a_default_reruns_the_entries_that_inherit_it(in_stood_in, key):
    """Of those that inherit it, only the entries that it can change."""
    _, section, name = path = KEYS[key]
    rule = {"classifiers": "train_classifier", "segmenters": "train_segmenter"}[section]
    heirs = [entry for entry, own in DEMO[section].items() if name not in own]
    if name == "dilate":  # changes nothing at stride 32, the stride of resnet18
        heirs.remove("resnet18")
    if key in NOTHING:
        heirs = []
    value = another(path, current((section, (heirs or [*DEMO[section]])[0], name)))
    jobs = read(changed(path, value))
    listed = ["list_runs"] * (section == "segmenters" and name in LISTED and bool(heirs))
    assert running(jobs) == downstream(jobs, [*(f"{rule} {entry}" for entry in heirs), *listed])


def laid_over(config, changes):
    """The config with changes, key by key; ... takes a key away."""
    if not isinstance(changes, dict):
        return changes
    config = dict(config or {})
    for key, change in changes.items():
        config[key] = laid_over(config.get(key), change)
    return {key: value for key, value in config.items() if value is not ...}


@pytest.mark.parametrize("key", ANOTHER)
def test_a_key_that_makes_another_graph_reruns_what_depends_on_it(in_stood_in, key):
    changes, directly = ANOTHER[key]
    jobs = read(laid_over(DEMO, changes))
    assert running(jobs) == downstream(jobs, directly) != set()


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_a_key_of_the_data_that_the_phantom_cannot_have(in_stood_in, key):
    with pytest.raises(InputError, match=KEYS[key][-1]):
        read(changed(KEYS[key], "elsewhere"))


@pytest.mark.parametrize("key", ALONE)
def test_a_key_that_cannot_be_changed_alone(in_stood_in, key):
    value, error = ALONE[key]
    with pytest.raises(InputError, match=error):
        read(changed(KEYS[key], value))


def test_the_tables_are_about_keys_of_the_schema():
    assert set(KEYS) >= set(ANOTHER) | ONLY | REFUSED | set(NOTHING)
    assert all(any(f"{key}.".startswith(f"{p}.") for key in KEYS) for p in DIRECTLY)


MIXING = {
    "in the entry": {"segmenters": {"chexseg": {"masks": {"expert": 0.5, "irnet": 0.5}}}},
    "a new entry": {"segmenters": {"half": {"masks": {"expert": 0.5, "irnet": 0.5}}}},
}


@pytest.mark.parametrize("change", MIXING)
def test_the_mixture_of_one_run_reruns_no_other(in_stood_in, change):
    jobs = read(laid_over(DEMO, MIXING[change]))
    trained = {name for name in running(jobs) if name.startswith("train_")}
    assert trained == {f"train_segmenter {'half' if change == 'a new entry' else 'chexseg'}"}


def test_a_list_of_one_run_is_the_run_itself(in_stood_in):
    one = {"contrasts": {"chexseg_vs_full": {"run": ["chexseg"], "against": ["full"]}}}
    assert running(read(laid_over(DEMO, one))) == set()


def test_a_contrast_of_seeds_trains_only_the_new_seeds(in_stood_in):
    changes = {
        "segmenters": {
            f"{run}_seed_1": {**DEMO["segmenters"][run], "seed": 1} for run in ("chexseg", "full")
        },
        "contrasts": {
            "chexseg_vs_full": {
                "run": ["chexseg", "chexseg_seed_1"], "against": ["full", "full_seed_1"],
            }
        },
    }  # fmt: skip
    jobs = read(laid_over(DEMO, changes))
    new = [*(f"train_segmenter {run}_seed_1" for run in ("chexseg", "full")), "list_runs"]
    assert running(jobs) == downstream(jobs, new)
    assert "compare_runs" in running(jobs)


PROBABILITIES = {"evaluation": {"metrics": ["iou_dataset", "iou_oracle", "average_precision"]}}


def test_only_metrics_of_probabilities_compute_histograms(in_stood_in):
    jobs = read(laid_over(DEMO, PROBABILITIES))
    scored = [name for name, entry in DEMO["segmenters"].items() if entry.get("scored", True)]
    new = {f"compute_histograms {run}" for run in scored}
    assert running(jobs) == downstream(jobs, [*new, "score_runs"])
    assert new <= running(jobs)
    assert not {job.name for job in read(DEMO)} & new


def test_histograms_are_predicted_with_the_settings_of_masks(in_stood_in):
    jobs = read(laid_over(DEMO, {**PROBABILITIES, "prediction": {"batch_size": 5}}))
    assert running(jobs) == downstream(jobs, ["predict_masks", "compute_histograms", "score_runs"])
