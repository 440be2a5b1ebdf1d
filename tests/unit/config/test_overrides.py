"""`--config` says what a file says."""

import copy

import pytest
import yaml

from chexseg.config.overrides import overridden, overrides_of
from chexseg.config.study import load_study
from chexseg.config.yaml_marks import Positions
from chexseg.errors import InputError

BASE = {
    "study": "base",
    "data": {"root": "data", "radiologist_masks": "hb.json", "images": {"image_size": 64}},
    "classifiers": {"small": {"architecture": "densenet_small", "initial_weights": "none"}},
    "masks": {"some": {"source": "drawn", "images": 5, "files": ["a.json"]}},
    "segmenters": {
        name: {"masks": [mask], "initial_weights": "none"}
        for name, mask in (("full", "expert"), ("other", "some"))
    },
    "contrasts": {"some": {"run": "full", "against": "other", "all_seeds": False}},
}
SAID = {
    "null in a section": ("data", "{radiologist_masks: null}"),
    "null, written ~": ("data", "{radiologist_masks: ~}"),
    "null in an entry": ("masks", "{some: {images: null}}"),
    "null of a section": ("phantom", "null"),
    "nothing": ("phantom", ""),
    "true": ("segmenters", "{full: {scored: true}}"),
    "false": ("segmenters", "{full: {scored: false}}"),
    "an integer": ("seed", "7"),
    "an integer in a section": ("data", "{images: {image_size: 96}}"),
    "a number": ("segmenters", "{full: {learning_rate: 0.003}}"),
    "a number with an exponent": ("segmenters", "{full: {learning_rate: 3.0e-3}}"),
    "text": ("study", "other"),
    "quoted text": ("study", '"007"'),
    "quoted text in a section": ("masks", '{some: {files: ["1.json", \'null\']}}'),
    "a list": ("data", "{findings: [Edema, Cardiomegaly], pathologies: [Edema]}"),
    "a list of numbers": ("segmenters", "{full: {masks: {expert: 1, some: 3}}}"),
}  # fmt: skip
"""What is said -> the key, and its value as YAML."""


def in_a_file(tmp_path, key, value):
    """The study, where a second file says the same."""
    (tmp_path / "second.yaml").write_text(f"{key}: {value}\n")
    return load_study(tmp_path / "base.yaml", tmp_path / "second.yaml")


@pytest.fixture(autouse=True)
def _base(tmp_path):
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(BASE))


def on_the_command_line(tmp_path, *words):
    """The study as the workflow reads it, behind Snakemake's own reading of the words."""
    from snakemake.cli import parse_config
    from snakemake.utils import update_config

    from chexseg.config.study import read_study

    config, read = copy.deepcopy(BASE), parse_config(list(words))
    update_config(config, read)
    said = overrides_of(words)
    return read_study(overridden(config, read, said), (tmp_path / "base.yaml",), said)


def result_of(function, *words):
    """The study, or what is wrong with it, without the place."""
    try:
        return function(*words).model_dump()
    except InputError as error:
        return {(problem.found, problem.expected) for problem in error.problems}


@pytest.mark.parametrize("said", SAID)
def test_the_command_line_says_what_a_file_says(tmp_path, said):
    key, value = SAID[said]
    word = f"{key}={value}"
    expected = result_of(in_a_file, tmp_path, key, value)
    assert result_of(on_the_command_line, tmp_path, word) == expected
    by_command = result_of(
        lambda: load_study(tmp_path / "base.yaml", overrides=overrides_of([word]))
    )
    assert by_command == expected


def test_null_is_no_text(tmp_path):
    study = on_the_command_line(tmp_path, "data={radiologist_masks: null}")
    assert study.data.radiologist_masks is None
    assert study.data.images.image_size == 64  # the rest of the section stays


def test_words_are_read_one_behind_the_other():
    said = overrides_of(["data={a: 1, b: {c: 2}}", "data={b: {d: null}}", "seed=3"])
    assert said == {"data": {"a": 1, "b": {"c": 2, "d": None}}, "seed": 3}


def test_what_an_importer_changed_stays():
    config = {"data": {"root": "its own", "x": "null"}, "more": 1}
    read = {"data": {"root": "typed", "x": "null"}, "unknown": "1"}
    said = {"data": {"root": "typed", "x": None}, "unknown": 1}
    assert overridden(config, read, said) == {"data": {"root": "its own", "x": None}, "more": 1}


@pytest.mark.parametrize(
    ("word", "where"),
    [
        ("foo", "--config"),
        ("segmenters.full=3", "--config"),
        ("=3", "--config"),
        ("data={a: ", "--config data:1:"),
        ("data={a: 1, a: 2}", "--config data:1:8"),
        ("study=2026-13-01", "--config study"),
    ],
)
def test_what_cannot_be_read_is_placed(word, where):
    with pytest.raises(InputError) as caught:
        overrides_of(["seed=3", word])
    (problem,) = caught.value.problems
    assert problem.where.startswith(where)


@pytest.mark.parametrize(
    ("word", "where"),
    [
        ("data={images: {image_size: small}}", "--config"),
        ("data={images: {image_sise: 64}}", "--config"),
        ("segmenters={full: {masks: [none]}}", "--config"),
        ("seed=-1", "--config"),
    ],
)
def test_a_wrong_override_is_placed_on_the_command_line(tmp_path, word, where):
    with pytest.raises(InputError) as caught:
        on_the_command_line(tmp_path, word)
    assert {problem.where for problem in caught.value.problems} == {where}


def test_a_wrong_file_beside_an_override_keeps_its_place(tmp_path):
    text = (tmp_path / "base.yaml").read_text().replace("image_size: 64", "image_size: small")
    (tmp_path / "base.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_study(tmp_path / "base.yaml", overrides=overrides_of(["data={root: other}"]))
    (problem,) = caught.value.problems
    row = 1 + text.split("\n").index("    image_size: small")
    assert problem.where == f"{tmp_path / 'base.yaml'}:{row}:5"


def test_a_section_of_a_file_keeps_its_place_beside_an_override_in_it(tmp_path):
    (tmp_path / "second.yaml").write_text("study: s\ndata: {root: a}\n")
    positions = Positions((tmp_path / "second.yaml",), {"data": {"images": {"image_size": 64}}})
    assert positions.of("data") == f"{tmp_path / 'second.yaml'}:2:1"
    assert positions.of("data", "images", "image_size") == "--config"
