import json
import os
import re
import shutil
from pathlib import Path

import pytest

from chexseg.provenance.form import seal_of
from chexseg.provenance.record import record_path
from tests.unit.audit.tampering import reseal, run_audit


def test_a_clean_study_is_exit_code_0_with_a_table(study, capsys):
    code, (out, err) = run_audit(capsys, study)
    assert (code, err) == (0, "")
    facts = dict(re.findall(r"^  (\S.*?)  +(\S.*)$", out, re.MULTILINE))
    assert facts["artifacts"] == "32, 37 files, by 27 jobs"
    assert facts["X-rays"] == "3 checked"
    assert facts["seeds"] == "3 (7 jobs)"
    reseal(study / "index.csv", lambda record: record.update(seed=9))
    assert "seeds        3 (6 jobs), 9 (1 jobs)\n" in run_audit(capsys, study)[1].out
    assert facts["commits"].startswith("c0ffeec0ffee (")
    assert out.endswith("Every file matches its record, and every input is recorded.\n")


def test_an_error_is_one_line_with_its_remedy_and_exit_code_1(study, capsys):
    Path(study, "summary.csv").write_text("run\n")
    code, (out, _) = run_audit(capsys, study)
    assert code == 1
    first = out.splitlines()[0]
    assert first.startswith("ERROR   edited: results/mini/summary.csv: its content is ")
    assert first.endswith(
        "Restore it, or delete it and, where the study was computed, run:"
        " snakemake --configfile CONFIG"
    )


def test_names_that_are_no_text_are_told_on_one_line(study, capsys):
    for name in (b"line\nERROR", b"\x1b[2J", b"no utf-8 \xff"):
        Path(study, os.fsdecode(name)).touch()
    code, (out, _) = run_audit(capsys, study)
    assert code == 1
    assert sum(line.startswith("ERROR") for line in out.splitlines()) == 1
    for name in ("line\\nERROR", "\\x1b[2J", "no utf-8 \\udcff"):
        assert f"results/mini/{name}" in out
    assert "\x1b" not in out


def test_facts_of_records_are_no_orders_to_a_terminal(study, capsys):
    path = record_path(study / "index.csv")
    record = json.loads(path.read_text())
    record["machine"]["host"] = "\x1b[2J\x9b\ud800\nERROR"
    record["seal"] = seal_of(record)
    path.write_text(json.dumps(record))
    _, (out, _) = run_audit(capsys, study)
    out.encode()
    assert "\\x1b[2J\\x9b\\ud800\\nERROR: AMD EPYC 7763" in out
    assert not set(out) & set("\x1b\x9b")


def test_no_crate_of_a_study_with_errors(study, tmp_path, capsys):
    Path(study, "summary.csv").write_text("run\n")
    code, (out, err) = run_audit(capsys, study, "--crate", tmp_path / "c.zip", "--copy-files")
    assert code == 1
    assert out.startswith("ERROR   edited: results/mini/summary.csv: ")
    assert err == "No crate was written: the study has errors. Fix them first.\n"
    assert not (tmp_path / "c.zip").exists()


def test_warnings_are_exit_code_0(home, capsys):
    shutil.rmtree("data")
    code, (out, _) = run_audit(capsys, "results/real")
    assert code == 0
    assert out.startswith("warning not checked: data/")


def test_json_names_all_files(study, capsys):
    for shard in ("0000.h5", "0001.h5"):
        (study / "images" / shard).unlink()
    code, (out, _) = run_audit(capsys, study, "--json")
    told = json.loads(out)
    assert code == 1
    assert told["findings"][0]["files"] == ["images/0000.h5", "images/0001.h5"]
    assert told["facts"]["X-rays"] == "3 checked"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "no such file"),
        (["results/mini/phantom"], "the folder of a study"),
        (["results/mini", "--row", "full,Edema"], "--row: found a folder"),
        (["results/mini/logs/build_index.log"], "no valid record"),
        (["results/mini/index.csv", "--crate", "c.zip"], "--crate: found an artifact"),
        (["results/mini", "--copy-files"], "--copy-files: found no --crate"),
        (["results/mini", "--crate", "results/mini/c.zip"], "a place inside the study"),
    ],
)
def test_what_is_no_study_is_exit_code_2(home, capsys, words, told):
    code, (out, err) = run_audit(capsys, *words)
    assert (code, out) == (2, "")
    assert told in err


def test_the_lineage_of_a_row_leads_to_the_x_rays_and_not_to_other_runs(study, capsys):
    code, (out, _) = run_audit(capsys, study / "summary.csv", "--row", "full,Edema")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "run full, pathology Edema, metric iou_dataset, value 0.30"
    named = re.findall(r"^[ │├└─]*(\S+)", out, re.MULTILINE)
    for name in ("overlaps/full.csv", "segmenters/full/checkpoint.pt", "index.csv"):
        assert name in named
    assert "chexseg" not in " ".join(named)
    assert "3 X-rays, digest of their digests" in out
    # Each artifact is told once, with its stage, settings, seed, code and content.
    assert len(re.findall(r"images/\*\.h5 \(2 files\)  store-images", out)) == 1
    assert re.search(r"segmenters/full/checkpoint.pt  train-segmenter  epochs 1, seed 3  code", out)
    assert "index.csv (above)" in out


def test_a_lineage_without_a_row_has_every_branch(study, capsys):
    code, (out, _) = run_audit(capsys, study / "summary.csv")
    assert code == 0
    assert {"make-masks", "train-irnet", "compute-saliency"} <= set(re.findall(r"[\w-]+", out))
    deepest = max(re.match(r"[ │├└─]*", line).end() for line in out.splitlines())
    assert deepest >= 3 * 7  # summary, overlaps, predictions, segmenter, walk, affinity, IRNet


def test_raw_data_are_leaves(home, capsys):
    _, (out, _) = run_audit(capsys, "results/real/index.csv")
    assert re.search(r"├─ data/CheXpert/train.csv  raw, content [0-9a-f]{12}\n", out)
    x_rays = r"└─ 3 X-rays, digest of their digests \w{12}; outside the study, so not hashed here"
    assert re.search(x_rays, out)


def test_an_unknown_row_proposes_the_nearest(study, capsys):
    code, (_, err) = run_audit(capsys, study / "summary.csv", "--row", "full,Edma")
    assert code == 2
    assert "Did you mean full,Edema?" in err


def test_a_file_whose_record_is_gone_has_no_lineage(study, capsys):
    record_path(study / "summary.csv").unlink()
    code, (_, err) = run_audit(capsys, study / "summary.csv")
    assert code == 2
    assert "no valid record" in err
