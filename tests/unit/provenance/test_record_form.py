"""Damaged records: whatever the bytes, they are no record, and an audit says why."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chexseg.audit.audit import audit
from chexseg.audit.lineage import as_text, lineage_of
from chexseg.audit.study import Study
from chexseg.errors import InputError
from chexseg.provenance.digests import Digests
from chexseg.provenance.form import SUFFIX, VERSION, load, seal_of
from chexseg.provenance.record import read_record, record_path
from chexseg.scheduling import reruns
from chexseg.stages.audit import facts_of
from tests.unit.data.fuzzing import examples

NAME = "segmenters/full/checkpoint.pt"
KEYS = (
    *("version", "stage", "command", "workflow", "settings", "seed", "execution", "folders"),
    *("inputs", "outputs", "code", "git", "software", "machine", "started", "seconds"),
    *("peak_memory_mb", "seal"),
)


def without(*keys):
    def change(record):
        for key in keys[:-1]:
            record = record[key]
        del record[keys[-1]]

    return change


def with_value(value, *keys):
    def change(record):
        for key in keys[:-1]:
            record = record[key]
        record[keys[-1]] = value

    return change


DAMAGE = {
    "no outputs": with_value({}, "outputs"),
    "inputs that are a list": with_value([], "inputs"),
    "an unbalanced quote": with_value("chexseg 'x", "command"),
    "code without definitions": with_value({}, "code"),
    "an input without a digest": without("inputs", "index", 0, "sha256"),
    "a digit of a digest": with_value("0" * 64, "inputs", "index", 0, "sha256"),
    "a path of no file system": with_value("\ud800", "folders", "root"),
    "another time": with_value("2020-01-01T00:00:00+00:00", "started"),
    "a word for a number": with_value("3", "seed"),
    "a key that nobody knows": with_value(1, "more"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_an_edited_record_counts_as_none_and_the_audit_says_why(study, name):
    path = record_path(study / NAME)
    record = json.loads(path.read_text())
    DAMAGE[name](record)
    path.write_text(json.dumps(record))
    assert read_record(study / NAME) is None
    wrong = "its seal does not match: it was edited after its job"
    assert Study(study).damaged == {f"{NAME}.provenance.json": wrong}


@pytest.mark.parametrize("key", KEYS[1:])
def test_a_record_without_a_key_counts_as_none(study, key):
    path = record_path(study / NAME)
    record = json.loads(path.read_text())
    del record[key]
    path.write_text(json.dumps(record))
    assert read_record(study / NAME) is None
    assert set(Study(study).damaged) == {f"{NAME}.provenance.json"}


def test_a_record_of_another_version_counts_as_none(study):
    path = record_path(study / NAME)
    record = {**json.loads(path.read_text()), "version": VERSION - 1}
    path.write_text(json.dumps({**record, "seal": seal_of(record)}))
    assert read_record(study / NAME) is None
    wrong = f"version {VERSION - 1}, expected {VERSION}"
    assert Study(study).damaged == {f"{NAME}.provenance.json": wrong}


def test_the_keys_of_this_version(study):
    """Readers trust a sealed record of the version to have its keys: new keys, new version."""
    record = read_record(study / NAME)[1]
    assert (VERSION, tuple(record)) == (2, KEYS)
    assert set(record["inputs"]["index"][0]) == {"path", "sha256", "stamp"}
    assert set(record["code"]) == {"digest", "definitions"}
    assert set(record["git"]) == {"commit", "dirty", "changes"}
    assert set(record["machine"]) >= {"host", "system", "cpu", "kernels"}


@pytest.mark.parametrize("content", [b"[" * 200_000, b"\xff\xfe", b"", b"[]"])
def test_bytes_that_are_no_record(tmp_path, content):
    record_path(tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(ValueError, match="it is not a record"):
        load(record_path(tmp_path / "x.pt"))
    assert read_record(tmp_path / "x.pt") is None


def test_a_folder_in_the_place_of_a_record_is_told(study):
    record_path(study / NAME).unlink()
    record_path(study / NAME).mkdir()
    assert read_record(study / NAME) is None
    (finding,) = audit(Study(study)).findings
    assert (finding.kind, finding.found) == ("damaged record", "it is not a record")


def test_every_record_of_a_study_has_the_form(home):
    records = list(Path("results").rglob("*.provenance.json"))
    assert len(records) > 50
    for path in records:
        assert load(path) == json.loads(path.read_text())


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["\ud800", "\udcff", "\0", "'", "..", "/", "index.csv", "0" * 64, "-" * 300])
    | st.sampled_from([[], {}, [[]], {"": {}}, 10**400, -1])
)  # fmt: skip


@st.composite
def changes(draw):
    """A few changes anywhere in a record: keys dropped, values retyped, nested or named anew."""
    steps = []
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.lists(st.integers(0, 30), min_size=1, max_size=5))
        kind = draw(st.sampled_from(["drop", "retype", "nest", "deep", "rename"]))
        steps.append((way, kind, draw(VALUES)))
    return steps


def changed(record, steps):
    for way, kind, value in steps:
        node = record
        for number in way:
            keys = sorted(node) if isinstance(node, dict) else range(len(node))
            key = keys[number % len(keys)]
            if number == way[-1] or not node[key] or not isinstance(node[key], (dict, list)):
                break
            node = node[key]
        if kind == "drop":
            del node[key]
        elif kind == "rename" and isinstance(node, dict):
            node[str(value)] = node.pop(key)
        elif kind == "nest":
            node[key] = [node[key]]
        elif kind == "deep":
            node[key] = json.loads("[" * 900 + "]" * 900)
        else:
            node[key] = value
        if not record:
            break
    return record


@pytest.fixture
def small(tmp_path, monkeypatch, toy_stage):
    """A study of two jobs; the second has two outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chexseg.provenance.record.count_images", lambda path: None)
    at, data = "results/small", Path("data.csv")
    data.write_text("path,sha256\n")
    Path(at).mkdir(parents=True)
    toy_stage(
        "build-index", {"train_csv": [data]}, {"out": f"{at}/index.csv"}, folders={"root": "."}
    )
    out = {"out": f"{at}/x.pt", "metrics": f"{at}/x.csv"}
    toy_stage("train-segmenter", {"index": [f"{at}/index.csv"]}, out, seed=3)
    return Path(at)


@pytest.mark.slow
@examples(150)
@given(steps=changes(), name=st.sampled_from(["x.pt", "index.csv"]), alike=st.booleans())
def test_no_reader_meets_a_damaged_record(small, steps, name, alike):
    artifacts = [small / name] + [small / "x.csv"] * (alike and name == "x.pt")
    kept = {record_path(each): record_path(each).read_bytes() for each in artifacts}
    try:
        for path, content in kept.items():
            record = changed(json.loads(content), steps)
            path.write_text(json.dumps(record))
            if record != json.loads(content):
                assert read_record(path.with_name(path.name.removesuffix(SUFFIX))) is None
        read_all(small, name)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def read_all(folder, name):
    """Everything that reads records, but the crate."""
    empty = SimpleNamespace()
    job = SimpleNamespace(
        is_shell=True, output=[str(folder / name)], input=[], params=empty, wildcards=empty,
        resources=empty, log=["log"],
        rule=SimpleNamespace(shellcmd="chexseg build-index --root . --out results/small/index.csv"),
    )  # fmt: skip
    reruns.changes(job, Digests())
    try:
        study = Study(folder)
    except InputError:
        return
    facts_of(audit(study))
    for artifact in study.recorded:
        as_text(study, lineage_of(study, artifact))
