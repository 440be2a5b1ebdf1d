"""What is empty in a config, and what is wrong, in the product's own words."""

import re
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError

from chexseg import catalog
from chexseg.config.data import section_of
from chexseg.config.entries import KINDS, MODELS, methods
from chexseg.config.problems import _expected
from chexseg.config.study import Study, load_study
from chexseg.errors import InputError
from tests.unit.config.small_config import GOOD, problems_of

LIBRARY = re.compile(
    r"valid\b|[Ii]nput|[Tt]uple|\bList\b|dictionary|after validation|instance|pars|error|String"
)
"""Words of pydantic, or of Python."""
SAID_ELSEWHERE = ("missing", "extra_forbidden", "string_pattern_mismatch", "misfit", "union_tag")
VALUES = ({}, {"a": 1}, [], [1], ["a", "b", "c"], "text", "", 3, -1, 1.5, 1e400, True, None, 10**30)


def models_in(model, seen):
    if model not in seen:
        seen.append(model)
        for field in model.model_fields.values():
            for kind in (field.annotation, *get_args(field.annotation)):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    models_in(kind, seen)
    return seen


ALL = []
for _each in (
    Study,
    *MODELS.values(),
    *(model for section in KINDS for model in methods(section).values()),
    *(section_of(name) for name in catalog.names("layout")),
):
    models_in(_each, ALL)


@pytest.mark.parametrize("model", ALL, ids=[f"{m.__name__}-{i}" for i, m in enumerate(ALL)])
def test_no_word_of_a_library_for_a_wrong_value_of_any_key(model):
    said = set()
    for key in model.model_fields:
        for value in VALUES:
            try:
                model.model_validate({key: value})
            except ValidationError as error:
                said |= {
                    _expected(detail)
                    for detail in error.errors()
                    if not detail["type"].startswith(SAID_ELSEWHERE)
                }
    assert [text for text in said if LIBRARY.search(text)] == []


REST = "study: s\nphantom: {}\n"


@pytest.mark.parametrize(
    "section",
    [*GOOD, "defaults", "sweeps", "contrasts", "published", "prediction", "evaluation", "figures",
     "data", "data: {index", "data: {images", "defaults: {classifiers"],
)  # fmt: skip
def test_an_empty_section_means_none(tmp_path, section):
    """Beside the study's name, and its seed, which are no sections."""
    if section in ("study", "seed"):
        return
    path = tmp_path / "config.yaml"
    rest = "study: s\n" + ("" if section == "phantom" else "phantom: {}\n")
    rest += "data: {root: data}\n" * (section == "phantom")
    path.write_text(rest)
    expected = load_study(path).model_dump()
    path.write_text(f"{rest}{section}:{' }' * ('{' in section)}\n")
    assert load_study(path).model_dump() == expected


def test_an_empty_section_inside_an_entry_means_none(tmp_path):
    path = tmp_path / "config.yaml"
    entry = "{source: irnet, saliency: m, training: , walk: , backbone: none}"
    text = (
        f"{REST}classifiers: {{c: {{}}}}\nsaliency: {{m: {{method: gradcam, classifiers: [c]}}}}\n"
    )
    path.write_text(text + f"masks: {{i: {entry}}}\n")
    assert load_study(path).masks["i"].training.epochs > 0


FIRST = f"{REST}classifiers: {{c: {{}}, d: {{}}}}\nsegmenters: {{full: {{masks: [expert]}}}}\n"


@pytest.mark.parametrize(
    ("second", "classifiers", "segmenters"),
    [
        ("segmenters: {full: null}\n", ["c", "d"], []),
        ("segmenters: {full: }\nclassifiers: {d: ~}\n", ["c"], []),
        ("segmenters:\n", ["c", "d"], []),
        ("masks: {expert: null}\n", ["c", "d"], ["full"]),
    ],
)
def test_null_in_a_later_file_removes_an_entry(tmp_path, second, classifiers, segmenters):
    files = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    first = FIRST + "masks: {expert: {source: drawn}}\n" * ("expert: null" in second)
    for file, text in zip(files, (first, second), strict=True):
        file.write_text(text)
    study = load_study(*files)
    assert list(study.classifiers) == classifiers
    assert list(study.segmenters) == segmenters


def test_null_on_the_command_line_removes_an_entry(tmp_path):
    path = tmp_path / "first.yaml"
    path.write_text(FIRST)
    assert list(load_study(path, overrides={"segmenters": {"full": None}}).segmenters) == []


def test_an_entry_of_one_file_with_nothing_in_it(tmp_path):
    found = problems_of(f"{REST}classifiers:\n  small:\n", tmp_path)
    assert found == [
        ("4:3", "nothing for 'classifiers.small'", "its settings, or {} if it has none",
         "Write them, or delete it; null removes an entry of an earlier file."),
    ]  # fmt: skip


def test_what_refers_to_a_removed_entry_is_an_error(tmp_path):
    path = tmp_path / "first.yaml"
    path.write_text(FIRST + "saliency: {m: {method: gradcam, classifiers: [d]}}\n")
    with pytest.raises(InputError, match="'d'"):
        load_study(path, overrides={"classifiers": {"d": None}})
