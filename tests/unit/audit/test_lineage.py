"""A lineage vouches for nothing that it has not hashed: what is not as recorded is marked."""

import json
import re
import shutil
from pathlib import Path

import pytest

from chexseg.audit.lineage import Node, as_text, check, lineage_of, rows_of, walk
from chexseg.audit.study import Study
from chexseg.errors import InputError
from chexseg.provenance.record import record_path
from tests.unit.audit.tampering import reseal, run_audit

CHECKPOINT = "segmenters/full/checkpoint.pt"


def row_of_full(study, capsys):
    return run_audit(capsys, study / "summary.csv", "--row", "full,Edema")


def errors_of(out):
    """The errors in a tree: what stands above each, and its text."""
    lines = [re.sub(r"^[ │├└─]*", "", line) for line in out.splitlines()]
    return [
        (before.split("  ")[0], line.removeprefix("ERROR  "))
        for before, line in zip(lines, lines[1:], strict=False)
        if line.startswith("ERROR") and "in this lineage" not in line
    ]


def test_a_sound_lineage_says_how_much_was_hashed(study, capsys):
    code, (out, _) = row_of_full(study, capsys)
    assert code == 0
    assert errors_of(out) == []
    # Summary, overlaps, predictions, checkpoint, index, 2 shards, expert masks, and the phantom.
    assert out.splitlines()[-2:] == [
        "15 files hashed.", "Every artifact matches its own record and the records of the jobs that read it.",
    ]  # fmt: skip


def test_an_edited_cell_is_marked(study, capsys):
    table = study / "summary.csv"
    table.write_text(table.read_text().replace("0.30", "0.99999"))
    code, (out, _) = row_of_full(study, capsys)
    assert code == 1
    ((above, text),) = errors_of(out)
    assert above == "summary.csv"
    assert re.fullmatch(r"summary.csv was changed: its content is \w{12}, recorded is \w{12}", text)
    assert out.splitlines()[-1] == (
        "ERROR  1 of 8 artifacts in this lineage differ from their records, as marked above. "
        "For remedies, run: chexseg audit results/mini"
    )


def test_a_flipped_bit_behind_the_row_is_marked_and_one_elsewhere_is_not(study, capsys):
    elsewhere = study / "segmenters/chexseg/checkpoint.pt"
    elsewhere.write_bytes(elsewhere.read_bytes()[:-1] + b"!")
    assert row_of_full(study, capsys)[0] == 0
    (study / CHECKPOINT).write_bytes((study / CHECKPOINT).read_bytes()[:-1] + b"!")
    code, (out, _) = row_of_full(study, capsys)
    assert code == 1
    assert [above for above, _ in errors_of(out)] == [CHECKPOINT]


def test_an_older_version_with_its_record_is_not_the_source(study, home, capsys):
    other = home / "results/other/segmenters/weak/checkpoint.pt"
    shutil.copy(other, study / CHECKPOINT)
    old = json.loads(record_path(study / CHECKPOINT).read_text())["outputs"]["out"][0]["sha256"]
    new = json.loads(record_path(other).read_text())["outputs"]["out"][0]["sha256"]
    reseal(study / CHECKPOINT, lambda record: record["outputs"]["out"][0].update(sha256=new))
    code, (out, _) = row_of_full(study, capsys)
    text = f"predictions/full.json was made from a different {CHECKPOINT}, with content {old[:12]}"
    assert (code, errors_of(out)) == (1, [(CHECKPOINT, text)])


def test_a_file_that_is_gone_is_marked(study, capsys):
    (study / CHECKPOINT).unlink()
    code, (out, _) = row_of_full(study, capsys)
    assert (code, errors_of(out)) == (1, [(CHECKPOINT, f"{CHECKPOINT} does not exist")])


@pytest.mark.parametrize("edit", [lambda p: p.write_text("{}"), Path.unlink])
def test_an_artifact_without_a_sound_record_is_not_taken_for_raw(study, capsys, edit):
    edit(record_path(study / CHECKPOINT))
    code, (out, _) = row_of_full(study, capsys)
    assert (code, errors_of(out)) == (
        1, [(CHECKPOINT, f"no record says how {CHECKPOINT} was made")],
    )  # fmt: skip
    assert "raw" not in out


def test_a_record_in_the_wrong_place_tells_of_nothing(study, capsys):
    shutil.copy(record_path(study / "index.csv"), record_path(study / CHECKPOINT))
    code, (out, _) = row_of_full(study, capsys)
    assert (code, errors_of(out)[0][0]) == (1, CHECKPOINT)


@pytest.mark.parametrize("edit", [lambda p: p.write_bytes(b"\xff\xfe\0"), Path.unlink])
def test_an_index_that_cannot_be_read_counts_no_x_rays(study, capsys, edit):
    edit(study / "index.csv")
    code, (out, _) = row_of_full(study, capsys)
    assert code == 1
    assert {above for above, _ in errors_of(out)} == {"index.csv"}
    assert "X-rays" not in out
    assert "index.csv (above, with errors)" in out


def test_raw_data_are_hashed_where_they_are(home, capsys):
    Path("data/CheXpert/train.csv").write_text("edited")
    code, (out, _) = run_audit(capsys, "results/real/index.csv")
    assert (code, [above for above, _ in errors_of(out)]) == (1, ["data/CheXpert/train.csv"])
    shutil.move("data", "moved")
    code, (out, _) = run_audit(capsys, "results/real/index.csv")
    assert code == 0
    assert "\n1 file hashed, 2 raw not found.\n" in out
    code, (out, _) = run_audit(capsys, "results/real/index.csv", "--root", "moved")
    assert (code, [above for above, _ in errors_of(out)]) == (1, ["data/CheXpert/train.csv"])


def test_json_has_the_errors_and_the_graph(study, capsys):
    (study / CHECKPOINT).unlink()
    code, (out, _) = run_audit(capsys, study / "summary.csv", "--row", "full,Edema", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["rows"][0]["value"] == "0.30"
    nodes = {node["name"]: node for node in told["artifacts"]}
    assert nodes["summary.csv"]["inputs"] == ["overlaps/full.csv"]
    assert nodes[CHECKPOINT]["errors"] == [f"{CHECKPOINT} does not exist"]
    assert set(nodes["images/*.h5"]["files"]) == {"images/0000.h5", "images/0001.h5"}


def test_of_many_errors_a_few_are_told(study):
    node = lineage_of(Study(study), "summary.csv")
    shutil.rmtree(study / "phantom")
    assert check(Study(study), node) == (22, 0)
    tree = as_text(Study(study), node)
    assert tree.count(" does not exist") == 5
    assert "ERROR  and 1 more" in tree


def test_a_tree_names_the_methods(study):
    tree = as_text(Study(study), lineage_of(Study(study), "summary.csv"))
    assert "make-masks  source irnet, " in tree
    assert "train-classifier  architecture densenet_small" in tree


def test_a_circle_ends():
    one, other = Node("one"), Node("other")
    one.inputs, other.inputs = [other], [one]
    assert [node.name for node in walk(one)] == ["one", "other"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("gallery.png", b"\x89PNG"), ("masks.json", b"{}"), ("index.csv", b"\xff"), ("a.csv", b"\0")],
)
def test_what_is_no_table_has_no_rows(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"found (not a CSV|no row)"):
        rows_of(tmp_path / name, "x")


def test_rows_of_any_length_are_found(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("run,value\nfull\nfull,1,2,3\n")
    assert rows_of(table, "full") == [{"run": "full"}, {"run": "full", "value": "1"}]
    table.write_text("")
    with pytest.raises(InputError, match="Did you mean another table"):
        rows_of(table, "full")


def test_no_orders_to_a_terminal(study, capsys):
    table = study / "summary.csv"
    table.write_text(table.read_text().replace("iou_dataset", '"\x1b[2J\x9b\nERROR"'))
    orders = {"epochs": "\x1b[2J\ud800\n\x85"}
    reseal(study / CHECKPOINT, lambda record: record["settings"].update(orders))
    code, (out, _) = row_of_full(study, capsys)
    out.encode()
    assert code == 1
    assert not set(out) & set("\x1b\x9b\x85\ud800")
    assert out.startswith("run full, pathology Edema, metric \\x1b[2J\\x9b\\nERROR, value 0.30\n")
    assert "epochs \\x1b[2J\\ud800\\n\\x85" in out
