import pytest
import yaml

from chexseg.config.study import load_study, read_study
from chexseg.config.yaml_marks import Positions, load_yaml
from chexseg.errors import InputError


def problems_of(text, tmp_path):
    """The problems of a config's text: row:column, found, expected, remedy."""
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_yaml(path)
    return [
        (p.where.removeprefix(f"{path}:"), p.found, p.expected, p.remedy)
        for p in caught.value.problems
    ]


def test_places_of_keys_of_items_and_of_what_is_nowhere(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a:\n  b: {c: 1}\n  d: [x,\n      y]\n1: z\n")
    places = Positions([path])
    assert places.of("a") == f"{path}:1:1"
    assert places.of("a", "b", "c") == f"{path}:2:7"
    assert places.of("a", "d", 1) == f"{path}:4:7"
    assert places.of(1) == f"{path}:5:1"
    assert places.of("a", "b", "absent") == f"{path}:2:3"
    assert places.of("a", "d", 2) == f"{path}:3:3"
    assert places.of("absent") == str(path)


@pytest.mark.parametrize("content", [None, b"[1, ", b"\xff\xfe"])
def test_files_that_cannot_be_read_have_no_places(tmp_path, content):
    path = tmp_path / "study.yaml"
    if content:
        path.write_bytes(content)
    assert Positions([path]).of("a") == str(path)


def test_places_are_those_of_the_last_file_that_has_the_key(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("study: s\nphantom: {}\nclassifiers: {a: {epochs: 1, strid: 4}}\n")
    second.write_text("# over it\nclassifiers:\n  a:\n    epochs: 0\n")
    with pytest.raises(InputError) as caught:
        load_study(first, second)
    assert {problem.where for problem in caught.value.problems} == {
        f"{first}:3:30",
        f"{second}:4:5",
    }


def test_a_value_from_the_command_line_is_placed_at_its_parent(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: s\nphantom: {}\nclassifiers:\n  a: {}\n")
    config = {"study": "s", "phantom": {}, "classifiers": {"a": {"epochs": 0}}}
    with pytest.raises(InputError) as caught:
        read_study(config, (path,))
    assert [problem.where for problem in caught.value.problems] == [f"{path}:4:3"]
    with pytest.raises(InputError) as caught:
        read_study(config)
    assert [problem.where for problem in caught.value.problems] == ["config"]


# YAML

TWICE = """\
study: s
phantom: {}
classifiers:
  a: {epochs: 1}
  a: {epochs: 2}
phantom: {seed: 1, seed: 2}
"""


def test_doubled_keys(tmp_path):
    expected = [
        ("6:1", "'phantom' again (first in row 2)", "each key once", "Delete one of the two."),
        ("5:3", "'a' again (first in row 4)", "each key once", "Delete one of the two."),
        ("6:20", "'seed' again (first in row 6)", "each key once", "Delete one of the two."),
    ]
    assert problems_of(TWICE, tmp_path) == expected


def test_doubled_keys_are_seen_when_snakemake_has_read_the_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(TWICE)
    with pytest.raises(InputError) as caught:
        read_study(yaml.safe_load(TWICE), (path,))
    assert [problem.where for problem in caught.value.problems] == [
        f"{path}:6:1", f"{path}:5:3", f"{path}:6:20",
    ]  # fmt: skip


def test_the_same_key_in_two_mappings_is_no_problem(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: s\nphantom: {seed: 1}\nclassifiers: {a: {seed: 1}, b: {seed: 1}}\n")
    assert load_study(path).classifiers["b"].seed == 1


def test_syntax_errors_have_a_place(tmp_path):
    ((where, _, expected, remedy),) = problems_of("study: s\nseed: [1, 2\ndata: {}\n", tmp_path)
    assert where == "3:5"
    assert (expected, remedy) == ("valid YAML", "Correct the syntax there.")
    ((where, *_),) = problems_of("study: s\n\tseed: 1\n", tmp_path)
    assert where == "2:1"


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "NoneType"), (b"- a\n", "list"), (b"study", "str"), (b"\xff\xfe\x00", "codec")],
)
def test_files_that_are_no_mapping(tmp_path, content, found):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=found):
        load_study(path)


def test_an_absent_file(tmp_path):
    with pytest.raises(InputError, match="Correct the path"):
        load_study(tmp_path / "absent.yaml")


NINE = "[" + ", ".join(["*{}"] * 9) + "]"
LAUGHS = "a: &a [1]\n" + "".join(
    f"{name}: &{name} {NINE.replace('{}', before)}\n"
    for before, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("study: !!python/object/apply:os.system [touch witness]\n", "1:8", "constructor"),
        ("study: !mine s\n", "1:8", "constructor"),
        (LAUGHS, None, "more than 20000 values"),
        ("a: &a [*a]\n", None, "without end"),
        ("[" * 5000, None, "without end"),
        ("? [a]\n: 1\n", "1:3", "unhashable key"),
        ("study: 2024-13-01\n", None, "month must be in 1..12"),
        ("study: s\x07\n", None, "special characters"),
    ],
    ids=["tag that runs code", "own tag", "billion laughs", "a list in itself", "nesting",
         "a list as key", "impossible date", "control character"],
)  # fmt: skip
def test_yaml_that_would_do_more_than_tell_values(tmp_path, monkeypatch, text, where, found):
    monkeypatch.chdir(tmp_path)
    ((there, told, *_),) = problems_of(text, tmp_path)
    assert found in told
    assert there == (where or str(tmp_path / "study.yaml"))
    assert not (tmp_path / "witness").exists()
    # Snakemake reads the file by itself, and hands over what it got.
    assert found == "constructor" or Positions([tmp_path / "study.yaml"]).of("a") is not None


def test_a_template_is_refused_though_snakemake_has_obeyed_it(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: s\n__use_yte__: true\n__definitions__: [import os]\nphantom: {}\n")
    with pytest.raises(InputError) as caught:
        read_study({"study": "s", "phantom": {}}, (path,))  # what Snakemake makes of it
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (f"{path}:2:1", "a template, which runs code")
    with pytest.raises(InputError, match="unknown key '__use_yte__'"):
        load_study(path)  # as `chexseg validate`, which runs nothing


def test_anchors_and_merges_are_read(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "study: s\nphantom: {}\nclassifiers:\n  a: &a {epochs: 2}\n  b: {<<: *a, stride: 8}\n  c: *a\n"
    )
    found = load_study(path).classifiers
    assert (found["b"].epochs, found["b"].stride, found["c"].epochs) == (2, 8, 2)
