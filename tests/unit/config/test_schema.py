"""The schema that editors read: it takes what the models of the settings take, and nothing else."""

import copy
import re
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from chexseg.config import reference
from chexseg.config.study import Study, load_study, read_study
from chexseg.errors import InputError

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
SCHEMA = jsonschema.Draft202012Validator(reference.schema())
ABSENT = object()
CONSTRAINTS = set(get_args(ErrorType)) - {"value_error", "assertion_error"}
"""What pydantic itself finds wrong; the other mistakes are found by our own code."""


def config_of(path):
    return yaml.safe_load(path.read_text())


def refused_by_schema(config):
    return not SCHEMA.is_valid(config)


def refused(config):
    try:
        read_study(config)
    except InputError:
        return True
    return False


def refused_by_models(config):
    """As `refused`, but only for what a key holds by itself: no schema sees how two keys fit."""
    try:
        Study.model_validate(copy.deepcopy(config))
    except ValidationError as error:
        return any(each["type"] in CONSTRAINTS for each in error.errors())
    return False


def nodes(node, *path):
    """Every value of a config, with its path."""
    if path:
        yield path, node
    for key, value in node.items() if isinstance(node, dict) else ():
        yield from nodes(value, *path, key)


def changed(config, path, value):
    """A copy with another value at a path, or none."""
    config = copy.deepcopy(config)
    place = config
    for key in path[:-1]:
        place = place[key]
    if value is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return config


def wrong_configs(config):
    """Copies of a config, each with one mistake."""
    yield "no study", changed(config, ("study",), ABSENT)
    yield "an unknown section", {**config, "no_such_section": {}}
    for path, value in nodes(config):
        here = ".".join(path)
        if isinstance(value, dict):
            yield f"{here}: a number for a section", changed(config, path, 1)
            if path[0] != "sweeps":  # a factor may have the name of any source of masks
                yield f"{here}: an unknown key", changed(config, (*path, "no_such_key"), ["x"])
        else:
            yield f"{here}: a section for a value", changed(config, path, {"no_such_key": "x"})
    for path, value in nodes(config):
        if len(path) == 2 and isinstance(value, dict) and path[0] != "defaults":
            renamed = changed(config, (path[0], "a/name"), value)
            yield f"{path}: a name that is no file name", renamed


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configs_name_the_schema_and_fit_it(path):
    lines = re.findall(r"^# yaml-language-server: \$schema=(\S+)$", path.read_text(), re.M)
    assert [(path.parent / line).resolve() for line in lines] == [ROOT / reference.SCHEMA]
    assert [error.message for error in SCHEMA.iter_errors(config_of(path))] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_config_with_every_key_spelled_out_fits(path):
    whole = load_study(path).model_dump(mode="json")
    assert [error.message for error in SCHEMA.iter_errors(whole)] == []


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(reference.schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_mistakes_are_refused_by_schema_and_models(path):
    wrong = dict(wrong_configs(config_of(path)))
    assert len(wrong) > 30
    assert [name for name, config in wrong.items() if not refused(config)] == []
    assert [name for name, config in wrong.items() if not refused_by_schema(config)] == []


@pytest.mark.parametrize("value", [-1, 0, 0.5, 1e12, "no such value", [], ["no such value"], None])
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_schema_and_models_agree_on_values(path, value):
    config, disagree = config_of(path), []
    for where, before in nodes(config):
        # A mistake in `defaults` that every entry overrides is found by read_study, not the models.
        if isinstance(before, dict) or where[0] == "defaults":
            continue
        other = changed(config, where, value)
        if refused_by_schema(other) != refused_by_models(other):
            disagree.append(".".join(where))
    assert disagree == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shared_settings_are_checked_like_those_of_entries(path):
    config = config_of(path)
    for where, _ in nodes(config.get("defaults", {})):
        if len(where) == 2:
            other = changed(config, ("defaults", *where), [-1])
            assert refused(other), where
            assert refused_by_schema(other), where


SWEEPS = {
    "a list": {"of": "full", "expert": [0.1, "unweighted", None]},
    "seeds": {"of": "full", "seeds": 2},
    "a path": {"of": "full", "masks.expert.images": [1]},
    "together": {"of": "full", "x": {"encoder": ["resnet18"], "masks.expert.images": [1]}},
}
WRONG_SWEEPS = {
    "no segmenter": {"expert": [0.1]},
    "no name": {"of": 3, "expert": [0.1]},
    "no list": {"of": "full", "expert": 0.1},
    "no value": {"of": "full", "expert": []},
    "nothing": {"of": "full", "expert": None},
    "no seeds": {"of": "full", "seeds": 0},
    "seeds that are a list": {"of": "full", "seeds": [1]},
    "no list together": {"of": "full", "x": {"encoder": "resnet18"}},
    "nothing together": {"of": "full", "x": {}},
    "a factor that has no name": {"of": "full", "a b": [1]},
    "a key that has no name": {"of": "full", "x": {"a b": [1]}},
}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_sweeps_fit_the_schema(sweep):
    config = {"study": "s", "sweeps": {"a": SWEEPS[sweep]}}
    assert [error.message for error in SCHEMA.iter_errors(config)] == []
    Study.model_validate(config)


@pytest.mark.parametrize("sweep", WRONG_SWEEPS)
def test_wrong_sweeps_are_refused_by_schema_and_models(sweep):
    config = {"study": "s", "phantom": {}, "sweeps": {"a": WRONG_SWEEPS[sweep]}}
    config["segmenters"] = {"full": {"masks": ["expert"], "initial_weights": "none"}}
    assert refused(config)
    assert refused_by_schema(config)
