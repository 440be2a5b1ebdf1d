"""Records held against each other, and against those of other jobs."""

import shutil

from chexseg.audit.audit import audit
from chexseg.audit.study import Study
from tests.unit.audit.tampering import reseal

FULL = ["segmenters/full/checkpoint.pt", "segmenters/full/metrics.csv"]


def test_a_digest_edited_in_one_of_two_records_is_told(study):
    def change(record):
        record["outputs"]["metrics"][0]["sha256"] = "0" * 64

    reseal(study / FULL[0], change)
    (finding,) = audit(Study(study)).findings
    assert (finding.kind, finding.files) == ("stale", tuple(FULL))
    assert finding.found == "they come from two runs of one job"


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
