"""One way to name a study, for all commands, and every proposed command works as it stands."""

import inspect
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chexseg.cli import main
from chexseg.stages import load

ROOT = Path(__file__).parents[2]
OF_A_STUDY = ("validate", "status", "why")
NAMES = ("configfile", "config", "snakefile")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reruns")]


def told(capsys, *command):
    """Returns the exit code of a command, and all that it printed."""
    try:
        code = main(list(command))
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def as_typed(words, cwd, *more):
    """Runs a command line in a shell, as a user pastes it."""
    path = f"{Path(sys.executable).parent}:$PATH"
    line = f"export PATH={path} PYTHONPATH={shlex.quote(str(ROOT))}; {words} {shlex.join(more)}"
    return subprocess.run(["bash", "-c", line], cwd=cwd, text=True, capture_output=True)


def test_all_commands_name_a_study_in_the_same_way():
    kinds = {}
    for command in OF_A_STUDY:
        run = load(command, [])
        parameters = inspect.signature(run).parameters
        kinds[command] = [
            (name, parameters[name].annotation, parameters[name].default, parameters[name].kind)
            for name in NAMES
        ] + re.findall(rf"^        (?:{'|'.join(NAMES)}): .*$", run.__doc__, re.M)
    assert len(kinds["why"]) == 6
    assert kinds["validate"] == kinds["status"] == kinds["why"]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch, tiny):
    """A folder without a Snakefile, and with a config whose name needs quotes."""
    import yaml

    folder = tmp_path / "my studies"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("my study.yaml").write_text(yaml.safe_dump(tiny))
    return folder


@pytest.mark.parametrize("command", ["status", "why"])
def test_elsewhere_the_remedy_names_the_workflow_and_works(elsewhere, capsys, command):
    words = [command, "--configfile", "my study.yaml", "--config", "data={index: {shards: 1}}"]
    code, printed = told(capsys, *words)
    assert code == 2
    remedy = re.search(r"Add (--snakefile .*)\.$", printed, re.M)[1]
    code, printed = told(capsys, *words, *shlex.split(remedy))
    assert code == 0, printed
    assert "Traceback" not in printed
    if command == "status":
        to_go_on = re.search(r"^To continue: (.*)$", printed, re.M)[1]
        done = as_typed(to_go_on, elsewhere, "--dry-run", "--quiet", "all")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", OF_A_STUDY)
def test_no_config_is_said_in_words(elsewhere, capsys, command):
    code, printed = told(capsys, command, "--snakefile", str(ROOT / "Snakefile"))
    assert code == 2
    assert "found no config, expected that of a study. Name a file: --configfile FILE." in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", OF_A_STUDY)
@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "my study.yaml: found no such file"), ("a: [b\n", "my study.yaml:2:1: found"),
     ("- a\n", "my study.yaml: found list"), ("study: s\nsead: 1\n", "my study.yaml:2:1: found")],
    ids=["absent", "broken", "list", "typo"],
)  # fmt: skip
def test_a_wrong_config_is_placed_by_every_command(elsewhere, capsys, command, text, said):
    config = elsewhere / "my study.yaml"
    config.unlink() if text is None else config.write_text(text)
    words = ["--configfile", config.name, "--snakefile", str(ROOT / "Snakefile")]
    code, printed = told(capsys, command, *words)
    assert code == 2
    assert said in printed
    assert "expected a workflow" not in printed


def test_a_config_that_the_command_line_mends(elsewhere, capsys):
    """The same words for every command."""
    text = Path("my study.yaml").read_text().replace("seed: 3", "seed: -1")
    Path("my study.yaml").write_text(text)
    words = ["--configfile", "my study.yaml", "--snakefile", str(ROOT / "Snakefile")]
    for command in OF_A_STUDY:
        assert told(capsys, command, *words)[0] == 2
        assert told(capsys, command, *words, "--config", "seed=3")[0] == 0


def test_what_a_record_and_the_audit_propose_works_as_typed(tiny_study, tmp_path, capsys):
    """The record of a study that was computed in another folder than the checkout."""
    from chexseg.provenance.record import read_record

    workflow, _ = tiny_study
    record = read_record(workflow.folder / "results/tiny/index.csv")[1]
    done = as_typed(record["workflow"], workflow.folder, "--dry-run", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
    copy = shutil.copytree(workflow.folder, tmp_path / "a copy")
    (copy / "results/tiny/summary.csv").unlink()
    code, printed = told(capsys, "audit", str(copy / "results/tiny"))
    assert code == 1
    command = re.search(r"^ERROR +missing: .* run: (.*)$", printed, re.M)[1]
    done = as_typed(command, copy, "--dry-run", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "score_runs" in done.stdout + done.stderr
