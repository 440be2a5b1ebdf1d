import os
import re
import shutil
from pathlib import Path

import pytest

from chexseg.audit.audit import audit
from chexseg.audit.findings import ERRORS, WARNINGS
from chexseg.audit.study import Study
from chexseg.errors import InputError
from chexseg.provenance.record import record_path
from tests.unit.audit.tampering import (
    an_earlier_run,
    copy_entry,
    edit_text,
    edit_with_record,
    exchange,
    flip,
    make_again,
    new_file,
    reseal,
    truncate,
    unlink,
    with_code,
)

FULL = ["segmenters/full/checkpoint.pt", "segmenters/full/metrics.csv"]
FLIPPED = [
    "index.csv",
    "images/0001.h5",
    "masks/expert/0000.h5",
    "classifiers/small/checkpoint.pt",
    "classifiers/small/metrics.csv",
    "saliency/gradcam/0000.h5",
    "masks/cam/0000.h5",
    "affinity/irnet/labels/0000.h5",
    "affinity/irnet/irnet.pt",
    "affinity/irnet/edges/0001.h5",
    "masks/irnet/0000.h5",
    "segmenters/chexseg/checkpoint.pt",
    "predictions/full.json",
    "overlaps/full.csv",
    "replicates.npz",
    "summary.csv",
    "comparisons.csv",
    "figures/gallery.png",
    "phantom/CheXpert/train/p1.jpg",
    "phantom/CheXpert/train.csv",
    "phantom/CheXlocalize/gt_segmentations_val.json",
]
RECORD = "predictions/full.json.provenance.json"
WALKED = [f"masks/irnet/{shard}" for shard in ("0000.h5", "0001.h5")]
MAPS = [f"saliency/gradcam/{shard}" for shard in ("0000.h5", "0001.h5")]
# what is done to the study (s / "file"), the kind of finding, and the files that it must name
TAMPERED = {
    "a cell": (lambda s: edit_text(s / "summary.csv", "0.31", "0.91"), "edited", ["summary.csv"]),
    "truncated": (lambda s: truncate(s / "images/0000.h5"), "edited", ["images/0000.h5"]),
    "swapped checkpoint": (
        lambda s: shutil.copy(s / FULL[0], s / "segmenters/chexseg/checkpoint.pt"),
        "swapped", ["segmenters/chexseg/checkpoint.pt"],
    ),
    "swapped shards": (
        lambda s: exchange(s / "images/0000.h5", s / "images/0001.h5"),
        "swapped", ["images/0000.h5", "images/0001.h5"],
    ),
    "swapped records": (
        lambda s: exchange(s / RECORD, s / "predictions/chexseg.json.provenance.json"),
        "swapped", ["predictions/chexseg.json", "predictions/full.json"],
    ),
    "another's artifact with its record": (
        lambda s: [shutil.copy(s / f"predictions/full.json{e}", s / f"predictions/chexseg.json{e}")
                   for e in ("", ".provenance.json")],
        "swapped", ["predictions/chexseg.json"],
    ),
    "deleted record": (lambda s: unlink(s / RECORD), "no record", ["predictions/full.json"]),
    "deleted record of a folder": (
        lambda s: unlink(s / "phantom.provenance.json"), "no record", ["phantom"],
    ),
    "deleted record of metrics": (
        lambda s: unlink(record_path(s / FULL[1])), "no record", [FULL[1]],
    ),
    "truncated record": (lambda s: truncate(s / RECORD), "damaged record", [RECORD]),
    "empty record": (lambda s: (s / RECORD).write_text(""), "damaged record", [RECORD]),
    "file edited, and the digest in its record, that others read": (
        lambda s: edit_with_record(s / "images/0000.h5"),
        "damaged record", ["images/0000.h5.provenance.json"],
    ),
    "wrong version": (
        lambda s: reseal(s / "predictions/full.json", lambda r: r.update(version=99)),
        "damaged record", [RECORD],
    ),
    "setting edited in the record": (
        lambda s: edit_text(record_path(s / FULL[0]), '"epochs": "1"', '"epochs": "9"'),
        "damaged record", [f"{FULL[0]}.provenance.json"],
    ),
    "file edited, and the digest in its record": (
        lambda s: edit_with_record(s / "overlaps/full.csv"),
        "damaged record", ["overlaps/full.csv.provenance.json"],
    ),
    "foreign file": (
        lambda s: new_file(s / "segmenters/full/best.pt"), "foreign", ["segmenters/full/best.pt"],
    ),
    "foreign folder": (lambda s: new_file(s / "backup/a/b.txt"), "foreign", ["backup"]),
    "foreign file in a folder that is an artifact": (
        lambda s: new_file(s / "phantom/CheXpert/train/p9.jpg"),
        "foreign", ["phantom/CheXpert/train/p9.jpg"],
    ),
    "artifact of another study": (
        lambda s: copy_entry(s / "../other/segmenters/weak", s / "segmenters/weak"),
        "foreign", ["segmenters/weak/checkpoint.pt", "segmenters/weak/metrics.csv"],
    ),
    "the same entry of another study": (
        lambda s: [shutil.copy(s / f"../other/figures/gallery.png{e}", s / f"figures/gallery.png{e}")
                   for e in ("", ".provenance.json")],
        "foreign", ["figures/gallery.png"],
    ),
    "code changed, not run again": (
        lambda s: with_code(*[s / f for f in WALKED], name="chexseg.affinity.random_walk:_chebyshev_coefficients"),
        "other code", WALKED,
    ),
    "mixed code": (
        lambda s: with_code(s / "images/0000.h5", name="chexseg.files.store:StoreWriter"),
        "mixed code", ["images/0000.h5"],
    ),
    "missing": (lambda s: unlink(s / MAPS[0]), "missing", MAPS[:1]),
    "missing with its record": (
        lambda s: unlink(s / MAPS[0], record_path(s / MAPS[0])), "missing", MAPS[:1],
    ),
    "missing X-ray": (
        lambda s: unlink(s / "phantom/CheXpert/val/p3.jpg"),
        "missing", ["phantom/CheXpert/val/p3.jpg"],
    ),
    "made again, not what needs it": (
        lambda s: make_again(s / "classifiers/small/checkpoint.pt",
                             [s / "classifiers/small/metrics.csv"]),
        "stale", MAPS,
    ),
    "metrics of an earlier run": (lambda s: an_earlier_run(s / FULL[1]), "stale", FULL),
    "other software": (
        lambda s: [reseal(s / f, lambda r: r["software"].update(torch="2.11.0")) for f in FULL],
        "other software", FULL,
    ),
    "uncommitted code": (
        lambda s: [reseal(s / f, lambda r: r["git"].update(dirty=True, changes="a" * 64))
                   for f in FULL],
        "uncommitted code", FULL,
    ),
}  # fmt: skip
TAMPERED |= {
    f"bit of {name}": ((lambda s, name=name: flip(s / name)), "edited", [name]) for name in FLIPPED
}


def test_an_untouched_study_is_clean(study):
    result = audit(Study(study))
    assert result.findings == []
    assert (result.x_rays, result.x_rays_checked) == (3, 3)
    sizes = [(study / file).stat().st_size for file in result.hashed.contents]
    assert result.hashed.bytes == sum(sizes)


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_named_and_no_innocent_is(study, name):
    tamper, kind, files = TAMPERED[name]
    tamper(study)
    findings = audit(Study(study)).findings
    assert {(f.kind, file) for f in findings for file in f.files} == {(kind, f) for f in files}
    assert kind in (*ERRORS, *WARNINGS)


def test_the_page_explains_every_kind():
    page = (Path(__file__).parents[3] / "docs/provenance.md").read_text()
    told = [kind for kind in (*ERRORS, *WARNINGS) if not re.search(rf"(?m)^\| .*`{kind}`", page)]
    assert told == []


def test_several_tamperings_are_all_named(study):
    flip(study / "summary.csv")
    unlink(study / MAPS[0])
    new_file(study / "notes.txt")
    found = {(f.kind, *f.files) for f in audit(Study(study)).findings}
    assert found == {("edited", "summary.csv"), ("missing", MAPS[0]), ("foreign", "notes.txt")}


def test_times_companions_and_moves_are_no_findings(study, home):
    for path in study.rglob("*"):
        os.utime(path, (0, 0))
    new_file(study / "logs/more.log")
    new_file(study / "segmenters/full/checkpoint.state")
    shutil.move(study, home.parent / "elsewhere")
    assert audit(Study(home.parent / "elsewhere")).findings == []


def test_a_companion_that_has_a_record_is_an_artifact(study, toy_stage):
    toy_stage("draw-figure", {"summary": [study / "summary.csv"]}, {"out": study / "report.html"})
    assert "report.html" in audit(Study(study)).hashed.contents
    flip(study / "report.html")
    findings = {(f.kind, f.files) for f in audit(Study(study)).findings if f.is_error}
    assert findings == {("edited", ("report.html",))}


def test_raw_data_are_hashed_where_they_are(home):
    result = audit(Study("results/real"))
    assert result.findings == []
    assert {"data/CheXpert/train.csv", "data/CheXpert/val/p3.jpg"} <= set(result.hashed.contents)
    flip(Path("data/CheXpert/val/p3.jpg"))
    finding = audit(Study("results/real")).findings[0]
    assert (finding.kind, finding.files) == ("edited", ("data/CheXpert/val/p3.jpg",))


def test_raw_data_are_found_beside_a_study_that_is_not_in_the_working_directory(home, monkeypatch):
    monkeypatch.chdir(home.parent)
    assert audit(Study("home/results/real")).findings == []


def test_absent_raw_data_are_not_checked_unless_their_folder_is_given(home):
    shutil.move("data", "moved")
    finding = audit(Study("results/real")).findings[0]
    assert not finding.is_error
    assert (finding.kind, len(finding.files)) == ("not checked", 5)
    assert audit(Study("results/real"), root=Path("moved")).findings == []
    flip(Path("moved/CheXpert/train/p1.jpg"))
    finding = audit(Study("results/real"), root=Path("moved")).findings[0]
    assert (finding.kind, Path(finding.files[0]).name) == ("edited", "p1.jpg")


def test_x_rays_can_be_passed_over(home):
    flip(Path("data/CheXpert/val/p3.jpg"))
    result = audit(Study("results/real"), x_rays=False)
    assert [f.kind for f in result.findings if f.is_error] == []
    assert (result.x_rays, result.x_rays_checked) == (3, 0)


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_folder_without_records_is_no_study(tmp_path, name):
    with pytest.raises(InputError, match="the folder of a study"):
        Study(tmp_path / name)
