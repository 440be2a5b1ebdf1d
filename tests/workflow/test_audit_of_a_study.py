"""A computed study, copied away from its workflow and data, as an auditor gets it."""

import json
import shutil
import zipfile

import pytest

from chexseg.audit.study import Study
from chexseg.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tiny")]


@pytest.fixture
def copied(tiny_study, tmp_path):
    workflow, _ = tiny_study
    return shutil.copytree(workflow.folder / "results/tiny", tmp_path / "handed over")


def audited(folder, capsys, *words):
    try:
        code = main(["audit", str(folder), *words])
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


def test_it_is_whole(copied, capsys):
    code, out = audited(copied, capsys, "--json")
    told = json.loads(out)
    kinds = {finding["kind"] for finding in told["findings"]}
    assert code == 0
    assert kinds <= {"uncommitted code", "unknown code state"}
    assert told["facts"]["X-rays"] == "68 checked"


def test_one_bit_of_one_store_is_found(copied, capsys):
    path = copied / "affinity/irnet/edges/0001.h5"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    code, out = audited(copied, capsys)
    assert code == 1
    errors = [line for line in out.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1
    assert f"edited: {path}: " in errors[0]


def test_a_number_is_followed_to_the_x_rays(copied, capsys):
    code, out = audited(copied / "summary.csv", capsys, "--row", "chexseg,Edema,iou_dataset")
    assert code == 0
    for stage in ("count-overlaps", "predict-masks", "train-segmenter", "make-masks", "train-irnet",
                  "train-classifier", "store-images", "build-index", "make-phantom"):  # fmt: skip
        assert f"  {stage}  " in out, stage
    assert "68 X-rays, digest of their digests" in out


def test_a_crate_is_written(copied, tmp_path, capsys):
    assert audited(copied, capsys, "--crate", str(tmp_path / "crate.zip"))[0] == 0
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        metadata = json.loads(archive.read("ro-crate-metadata.json"))
    jobs = [e for e in metadata["@graph"] if e["@type"] == "CreateAction"]
    assert len(jobs) == len(Study(copied).jobs) + 1  # and the run that they were
