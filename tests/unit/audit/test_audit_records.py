"""Records held against each other: all artifacts of a job have the same one."""

import shutil

import pytest

from chexseg.audit.audit import audit
from chexseg.audit.circumstances import compare
from chexseg.audit.study import Study
from tests.unit.audit.tampering import reseal

FULL = ["segmenters/full/checkpoint.pt", "segmenters/full/metrics.csv"]


CHANGES = {
    "seed": lambda r: r.update(seed=9),
    "code": lambda r: r["code"]["definitions"].update({"chexseg.losses.dice:dice_loss": "0"}),
    "git": lambda r: r["git"].update(dirty=True, changes="a" * 64),
    "settings": lambda r: r["settings"].update(epochs="99"),
    "command": lambda r: r.update(command=r["command"] + " --epochs 99"),
    "started": lambda r: r.update(started="2020-01-01T00:00:00+00:00"),
    "inputs": lambda r: r["inputs"].pop("images"),
    "outputs": lambda r: r["outputs"].pop("out"),
}


@pytest.mark.parametrize(
    ("edited", "key"),
    [(FULL[1], key) for key in CHANGES] + [(FULL[0], key) for key in CHANGES if key != "outputs"],
)
def test_a_record_that_differs_from_its_siblings_was_edited(study, key, edited):
    reseal(study / edited, CHANGES[key])
    findings = [f for f in audit(Study(study)).findings if f.kind == "edited record"]
    assert [f.files for f in findings] == [tuple(f"{name}.provenance.json" for name in FULL)]
    assert findings[0].found == f"records of one job differ in {key}"


def test_of_three_the_odd_one_is_named(study, toy_stage):
    out = {name: f"results/mini/figures/{name}.png" for name in ("one", "two", "three")}
    toy_stage("draw-figure", {"summary": [study / "summary.csv"]}, out)
    reseal(study / "figures/two.png", lambda r: r.update(seed=9))
    findings = [f for f in audit(Study(study)).findings if f.kind == "edited record"]
    assert [f.files for f in findings] == [("figures/two.png.provenance.json",)]
    assert "rm -r results/mini/figures/two.png && " in findings[0].remedy


def test_siblings_of_other_folders_are_alike(study, toy_stage):
    out = {"out": "results/mini/figures/a.png", "table": "results/mini/b.csv"}
    (study / "index.csv").touch()
    toy_stage("count-overlaps", {"prediction": [study / "predictions/full.json"]}, out, seed=3)
    assert [f for f in audit(Study(study)).findings if f.is_error] == []


def test_a_digest_edited_in_one_of_two_records_is_no_later_run(study):
    def change(record):
        record["outputs"]["metrics"][0]["sha256"] = "0" * 64

    reseal(study / FULL[0], change)
    errors = {(f.kind, f.files) for f in audit(Study(study)).findings}
    assert errors == {("edited record", tuple(f"{name}.provenance.json" for name in FULL))}


def test_code_of_an_unknown_state_is_a_warning(study):
    for path in study.rglob("*.provenance.json"):
        reseal(path.with_name(path.name.removesuffix(".provenance.json")),
               lambda r: r.update(git=None))  # fmt: skip
    (finding,) = audit(Study(study)).findings
    assert (finding.kind, finding.is_error) == ("unknown code state", False)
    assert len(finding.files) == len(Study(study).recorded)


def test_another_kind_of_machine_within_a_stage_is_a_warning(study):
    """Other stages may run elsewhere: a table needs no GPU."""

    def moved(record):
        record["machine"] |= {"host": "node8", "cpu": "Intel Xeon", "gpu": "NVIDIA A100"}
        record["machine"]["kernels"] |= {"cpu_capability": "AVX512"}

    reseal(study / "summary.csv", moved)
    reseal(study / "replicates.npz", moved)
    assert audit(Study(study)).findings == []
    reseal(study / "images/0001.h5", moved)
    reseal(study / "images/0000.h5", lambda record: record["machine"].update(host="node8"))
    (finding,) = audit(Study(study)).findings
    assert (finding.kind, finding.is_error) == ("other machine", False)
    assert finding.files == ("images/0001.h5",)
    for words in ("cpu Intel Xeon, others AMD EPYC 7763", "gpu NVIDIA A100, others none",
                  "cpu_capability AVX512, others AVX2"):  # fmt: skip
        assert words in finding.found


def test_a_record_under_another_name_tells_whose_it_is(study):
    for end in ("", ".provenance.json"):
        shutil.move(study / f"summary.csv{end}", study / f"summary2.csv{end}")
        one, two = (study / f"images/000{n}.h5{end}" for n in "01")
        shutil.move(one, study / "kept")
        shutil.move(two, one)
        shutil.move(study / "kept", two)
    told = {f.files: f.found for f in audit(Study(study)).findings if f.kind == "swapped"}
    assert told == {
        ("images/0000.h5",): "its record belongs to images/0001.h5",
        ("images/0001.h5",): "its record belongs to images/0000.h5",
        ("summary2.csv",): "its record belongs to summary.csv or replicates.npz",
    }


def test_trainings_without_a_seed_share_none(study):
    for name in FULL:
        reseal(study / name, lambda r: r.update(seed=None))
    other = Study(study)
    (finding,) = compare([other, other])
    assert "have seed 3 in both" in finding.found
