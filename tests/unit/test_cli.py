import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chexseg import __version__
from chexseg.cli import COMMANDS, NAMES, main
from chexseg.config.settings import ImageSettings
from chexseg.errors import InputError, Problem
from chexseg.files.artifacts import EXECUTION
from chexseg.stages import store_images

PIPELINE = [
    "make-phantom",
    "check-data",
    "build-index",
    "store-images",
    "list-boxes",
    "fetch-weights",
    "train-classifier",
    "compute-saliency",
    "label-affinity",
    "train-irnet",
    "compute-affinity",
    "make-masks",
    "list-agreement",
    "score-masks",
    "train-segmenter",
    "extract-epoch",
    "predict-masks",
    "compute-histograms",
]


def listed(text):
    """The commands of an overview, in its order, each with its summary."""
    return dict(re.findall(r"^  ([a-z]+(?:-[a-z]+)*) +(\S.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_lists_the_stages_in_the_order_of_the_pipeline_then_what_people_run(arguments, capsys):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    names = list(listed(text))
    assert names[: len(PIPELINE)] == PIPELINE
    assert tuple(names[-len(COMMANDS) :]) == COMMANDS
    assert {"validate", "evaluate", "predict"} <= set(names)
    assert set(names) == {*NAMES, *COMMANDS}
    assert all(summary.endswith(".") for summary in listed(text).values())


@pytest.mark.parametrize("stage", ["train-classifier", "train-irnet", "train-segmenter"])
def test_trainings_share_the_flags_that_say_how_to_compute(stage, capsys):
    with pytest.raises(SystemExit):
        main([stage, "--help"])
    text = capsys.readouterr().out
    for name in EXECUTION:
        assert f"--{name.replace('_', '-')} " in text
    assert "Seconds between two saves" in text


def test_help_imports_neither_torch_nor_a_stage():
    code = (
        "import sys; from chexseg.cli import main; main(['--help']);"
        "heavy = [m for m in sys.modules if m in ('torch', 'pandas', 'numpy', 'tyro')"
        " or m.startswith('chexseg.stages.')];"
        "sys.exit(', '.join(heavy) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr == ""
    assert result.returncode == 0


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"chexseg {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "near"),
    [("buildindex", "build-index"), ("train_segmenter", "train-segmenter"), ("predct", "predict")],
)
def test_an_unknown_command_proposes_the_nearest(typed, near, capsys):
    assert main([typed]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"chexseg: no command {typed!r}. Did you mean {near!r}?\n"


def test_a_command_like_no_other_leads_to_the_list(capsys):
    assert main(["foo"]) == 2
    assert capsys.readouterr().err == "chexseg: no command 'foo'. See chexseg --help.\n"


ARGUMENTS = ["store-images", "--index", "a.csv", "--root", "b", "--out", "c.h5"]


def test_flags_reach_the_stage_as_arguments_and_settings(monkeypatch):
    given = {}

    def run(
        *,
        index: Path,
        root: Path,
        out: Path,
        settings: ImageSettings,
        shard: int = 0,
        threads: int = 1,
    ):
        given.update(index=index, settings=settings, shard=shard, threads=threads)

    monkeypatch.setattr(store_images, "run", run)
    assert main([*ARGUMENTS, "--image-size", "64", "--shard", "3"]) == 0
    settings = ImageSettings(image_size=64)
    assert given == {"index": Path("a.csv"), "settings": settings, "shard": 3, "threads": 1}


@pytest.mark.parametrize(("number", "heading"), [(1, "1 problem"), (3, "3 problems")])
def test_bad_input_is_exit_code_2_and_every_problem_is_told(monkeypatch, capsys, number, heading):
    problems = [Problem(f"file:{row}", "x", "y", "Mend it.") for row in range(number)]

    def run(*, index: str, root: str, out: str):
        raise InputError(problems)

    monkeypatch.setattr(store_images, "run", run)
    assert main(ARGUMENTS) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [f"  file:{row}: found x, expected y. Mend it." for row in range(number)]
    assert err.splitlines() == [f"chexseg store-images: {heading}", *lines]


def test_a_stage_that_is_told_to_end_leaves_nothing_half_written(tmp_path):
    out = tmp_path / "phantom"
    command = [sys.executable, "-m", "chexseg", "make-phantom", "--out", out]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
    while not any(path.suffix == ".jpg" for path in tmp_path.rglob("*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    assert process.wait() == 143
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("words", [["--help"], ["audit", "--help"]])
def test_output_that_nobody_reads_ends_the_command_quietly(words):
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [sys.executable, "-m", "chexseg", *words], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (141, b"")


def test_a_pipe_that_is_none_of_the_output_is_told():
    code = (
        "from chexseg import cli\n"
        "def main(): raise BrokenPipeError('of a worker')\n"
        "cli.main = main; cli.console()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.endswith("BrokenPipeError: of a worker\n")


def test_bad_input_in_a_real_run(phantom_copy, tmp_path):
    csv = phantom_copy / "CheXpert/train.csv"
    csv.write_text(csv.read_text().replace("Edema", "Edma", 1))
    masks, out = phantom_copy / "CheXlocalize", tmp_path / "index.csv"
    command = [
        *(sys.executable, "-m", "chexseg", "build-index", "--root", phantom_copy),
        *("--train-csv", csv, "--val-csv", phantom_copy / "CheXpert/absent.csv"),
        *("--test-csv", phantom_copy / "CheXpert/test_labels.csv"),
        *("--val-masks", masks / "gt_segmentations_val.json"),
        *("--test-masks", masks / "gt_segmentations_test.json", "--out", out),
    ]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "chexseg build-index: 2 problems",
        "tables: 2 problems",
        f"  {csv}:1: found no column 'Edema', expected Path and a column for each finding. "
        "Add it, or correct data.findings; the nearest column is 'Edma'.",
        f"  {phantom_copy}/CheXpert/absent.csv: found no such file, expected a CSV of labels. "
        "Correct the path in the config.",
    ]
    assert not out.exists()


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        (["--image-sze", "64"], "--image-size"),
        (["--image-size", "0"], "greater than or equal to 32"),
        (["--image-size", "big"], "big"),
    ],
)
def test_wrong_flags_are_exit_code_2(flag, told, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*ARGUMENTS, *flag])
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("command", dict.fromkeys(NAMES + COMMANDS))
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: chexseg {command}" in out
    assert "options" in out


@pytest.mark.parametrize("words", [["--source", "irnet"], ["--source=irnet"]])
def test_a_method_may_be_named_in_either_way(words, capsys):
    with pytest.raises(SystemExit):
        main(["make-masks", *words, "--help"])
    text = capsys.readouterr().out
    assert "--affinity" in text
    assert "--beta" in text


def test_an_unknown_method_proposes_the_nearest(capsys):
    assert main(["make-masks", "--source", "ironet"]) == 2
    assert "Did you mean 'irnet'?" in capsys.readouterr().err
