"""Shells, full disks and closed folders: nothing is run, and nothing half-written is left."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from chexseg.data.images import open_image
from chexseg.data.layouts.chexpert_tables import read_labels
from chexseg.errors import InputError, Problems
from chexseg.files.atomic import atomic

ROOT = Path(__file__).parents[2]
STRANGE = "a b; $(touch pwned) 'q' \"r\" & ü -x"

COLLECT = "chexseg() { printf '%s\\0' \"$@\"; }\n"
"""A function in the place of the command, which prints the words that it gets."""


@pytest.mark.slow
def test_no_name_reaches_the_shell_unquoted(phantom, tmp_path):
    """The shell that runs the rules sees every name as one word."""
    data, weights = tmp_path / STRANGE, tmp_path / f"{STRANGE}.pt"
    data.symlink_to(phantom)
    weights.touch()
    config = {
        "study": "s",
        "data": {"root": str(data), "radiologist_masks": "CheXlocalize/hb_segmentations_test.json"},
        "classifiers": {"c..-": {"architecture": "resnet18", "initial_weights": str(weights)}},
        "saliency": {"s": {"method": "gradcam", "classifiers": ["c..-"]}},
        "masks": {
            "t": {"source": "threshold", "saliency": "s"},
            "i": {"source": "irnet", "saliency": "s", "backbone": str(weights)},
        },
        "segmenters": {"x": {"masks": ["expert", "i"], "initial_weights": str(weights)},
                       "y": {"masks": ["t"], "initial_weights": "none"}},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += [
        "-n",
        "-p",
        "--directory",
        str(tmp_path),
        "--configfile",
        str(tmp_path / "config.yaml"),
    ]
    printed = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    lines = re.findall(r"^Shell command: (chexseg .*)$", printed, flags=re.MULTILINE)
    assert len({line.split()[1] for line in lines}) > 10
    words = set()
    for line in lines:
        command, _, log = line.rpartition(" > ")
        assert "touch" not in log
        done = subprocess.run(
            ["bash", "-c", COLLECT + command], cwd=tmp_path, capture_output=True, text=True, check=True
        )  # fmt: skip
        words |= set(done.stdout.split("\0"))
    assert {str(data), str(weights), str(data / "CheXpert/train.csv")} <= words
    words = {word.replace('""', '"') for word in words}  # in a row of the table of runs
    assert not [word for word in words if "touch" in word and STRANGE not in word]
    assert not list(tmp_path.rglob("pwned"))


# Where nothing can be written, or read

WRITERS = """
import os, resource, sys
import numpy as np, pandas as pd, torch
from chexseg.files.atomic import atomic
from chexseg.files.store import write_store
from chexseg.errors import InputError
from chexseg.models.weights import save_checkpoint

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).integers(0, 255, (100, 100), dtype=np.uint8)

def store():
    with write_store("a.h5", "images") as writer:
        for number in range(50):
            writer.append(str(number), noise)

def checkpoint():
    save_checkpoint("a.pt", state_dict={"w": torch.randn(100_000)}, kind="k", settings={}, classes=[])

def table():
    with atomic("a.csv") as temporary:
        pd.DataFrame({"a": range(100_000)}).to_csv(temporary)

for write in (store, checkpoint, table):
    try:
        write()
    except InputError as error:
        (problem,) = error.problems
        print(problem.where, problem.found, os.listdir("."), sep="|")
"""


@pytest.mark.slow
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """RLIMIT_FSIZE stands for the disk: the same error, another number."""
    done = subprocess.run(
        [sys.executable, "-c", WRITERS], cwd=tmp_path, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0  # HDF5 crashed at its end
    expected = [f"{name}|File too large|[]" for name in ("a.h5", "a.pt", "a.csv")]
    assert done.stdout.splitlines() == expected


def test_all_closed_folders_are_told_at_once(tmp_path, obedient):
    """Of a folder that is not there, the one that it would be made in."""
    for name in ("open", "closed", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    for name, mode in (("closed", 0o555), ("other", 0)):
        (tmp_path / name).chmod(mode)
    code = (
        "import sys; from chexseg.files.atomic import check_writable; check_writable(*sys.argv[1:])"
    )
    folders = [
        "open",
        "open/new/a",
        "closed",
        "closed/new/a",
        "closed/new/b",
        "other/new",
        "file/a",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *folders], cwd=tmp_path, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=obedient,
    )  # fmt: skip
    told = done.stderr.partition("InputError: ")[2].splitlines()
    assert [line.partition(":")[0].removeprefix(f"{tmp_path}/") for line in told] == [
        "closed", "other", "file",
    ]  # fmt: skip
    assert all("ask the owner of the folder for permission" in line for line in told)


@pytest.fixture
def unprivileged():
    """A folder of somebody else's, seen by a user without privileges; root would pass."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    os.seteuid(os.getuid())
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_what_may_not_be_read_or_written_is_told(unprivileged, phantom):
    table, image = unprivileged / "train.csv", unprivileged / "view1.jpg"
    for path in (table, image):
        path.touch()
        path.chmod(0)
    os.seteuid(65534)
    problems = Problems("tables")
    read_labels(table, problems)
    with pytest.raises(InputError) as caught:
        open_image(image)
    for problem in (*problems.found, *caught.value.problems):
        assert problem.found == "an unreadable file"
        assert "permission" in problem.remedy
    with pytest.raises(InputError) as caught, atomic(unprivileged / "out.csv"):
        pass
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (str(unprivileged), "Permission denied")
    assert "ask the owner" in problem.remedy
