"""The profiles: what a site sets, and what it makes of the rules' needs."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yte
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from chexseg.inference.gpus import count_gpus
from chexseg.scheduling.profiles import makes_report

ROOT = Path(__file__).parents[3]
TRAININGS = {"train_classifier", "train_irnet", "train_segmenter"}


def slurm_profile(**site):
    """The Slurm profile after a site has edited its lines."""
    text = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
    for name, value in site.items():
        text, n = re.subn(rf"(?m)^  {name}: \S+", f"  {name}: {value}", text)
        assert n == 1, name
    return yte.process_yaml(text, require_use_yte=True)


@pytest.fixture
def gpu_rules(rules):
    return {name for name, rule in rules.items() if "gpu" in rule.resources}


def test_profile_knows_all_gpu_rules(gpu_rules):
    assert set(slurm_profile()["set-threads"]) == gpu_rules > TRAININGS


def test_partition_per_kind_of_gpu(gpu_rules):
    profile = slurm_profile(account="lab", cpu_partition="cpu", gpu_partition="a100,v100")
    assert profile["default-resources"]["slurm_account"] == "'lab'"
    assert profile["default-resources"]["slurm_partition"] == "'cpu'"
    needs = profile["set-resources"]
    assert {needs[rule]["slurm_partition"] for rule in gpu_rules} == {"'a100,v100'"}
    assert {rule for rule in needs if "slurm_partition" in needs[rule]} == gpu_rules


def test_one_partition_with_models_of_gpus(gpu_rules):
    profile = slurm_profile(gpu_model="a100")
    assert "slurm_partition" not in profile["default-resources"]
    needs = profile["set-resources"]
    assert {needs[rule]["gpu_model"] for rule in gpu_rules} == {"'a100'"}
    # A job with a model gets a GPU.
    assert {rule for rule in needs if "gpu_model" in needs[rule]} == gpu_rules


def test_short_jobs_take_turns_in_a_group_on_one_node():
    """Else Snakemake asks for what those that could run at once need together, nodes included."""
    profile = slurm_profile()
    short = set(profile["groups"])
    assert short == {
        "list_runs", "list_trainings", "score_runs", "average_seeds", "compare_runs", "draw_figure",
        "write_table",
    }  # fmt: skip
    needs = profile["set-resources"]
    assert {rule for rule in needs if needs[rule].get("short_jobs") == 1} == short
    assert profile["resources"] == {"short_jobs": 1}
    assert "nodes" not in profile["default-resources"]
    assert all("nodes" not in needs[rule] for rule in short)


def test_preemptible_queue():
    profile = slurm_profile(preemptible="true", training_minutes="240")
    assert profile["slurm-requeue"] is True
    assert {
        r for r, needs in profile["set-resources"].items() if needs.get("runtime") == 240
    } == TRAININGS
    assert "slurm-requeue" not in slurm_profile()


def test_exceptions_for_single_rules():
    needs = {"train_irnet": {"runtime": 60, "gpu": 2}, "build_index": {"runtime": 600}}
    profile = slurm_profile(gpu_partition="gpu", exceptions=needs)["set-resources"]
    assert profile["build_index"] == {"runtime": 600}
    expected = {"slurm_partition": "'gpu'", "runtime": 60, "gpu": 2, "nodes": 1}
    assert profile["train_irnet"] == expected
    assert profile["train_segmenter"]["runtime"] == 1440


class Needs(dict):
    """The resources of a job, as Snakemake hands them to Slurm's plugin."""

    __getattr__ = dict.get


def submitted(needs, threads):
    """The words by which Slurm's plugin asks for what a job needs."""
    job = SimpleNamespace(resources=Needs(needs), threads=threads)
    names = ("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir")
    return set_gres_string(job).split() + get_submit_command(job, dict.fromkeys(names, "")).split()


@pytest.mark.parametrize(("needs", "gpus"), [({"gpu": 16}, 8), ({"gpu": 2}, 1), ({}, 1)])
def test_a_training_on_several_nodes(needs, gpus):
    needs = {"train_classifier": {"nodes": 2, **needs}}
    profile = slurm_profile(exceptions=needs)
    several, threads = (
        profile[f"set-{what}"]["train_classifier"] for what in ("resources", "threads")
    )
    words = {"--nodes=2", f"--gpus={2 * gpus}", f"--ntasks={2 * gpus}", "--cpus-per-task=8"}
    asked = submitted(profile["default-resources"] | several, threads)
    assert words <= set(asked)
    assert not [word for word in asked if word.startswith("--ntasks-per-gpu")]
    assert several["slurm_extra"] == f"'--gpus-per-node={gpus} --ntasks-per-node={gpus}'"
    typed = slurm_profile(exceptions=needs, gpu_model="a100")["set-resources"]["train_classifier"]
    assert f"--gpus-per-node=a100:{gpus} " in typed["slurm_extra"]
    # What the training then starts fills the job: see chexseg/training/nodes.py.
    assert several["mpi"], "else the plugin puts srun around the job, for one process"
    assert threads == 8 * gpus, "the rule hands each process its share"


def test_a_training_on_several_gpus_of_a_node():
    profile = slurm_profile(exceptions={"train_irnet": {"gpu": 8}})
    needs, threads = (profile[f"set-{what}"]["train_irnet"] for what in ("resources", "threads"))
    words = submitted(profile["default-resources"] | needs, threads)
    assert {"--nodes=1", "--gpus=8", "--cpus-per-task=64"} <= set(words)
    assert not [word for word in words if word.startswith("--ntasks")]


@pytest.mark.parametrize(
    ("scratch", "tmpdir"), [('""', "system_tmpdir"), ("/scratch/$USER", "'/scratch/$USER'")]
)
def test_scratch_is_looked_up_on_the_node(scratch, tmpdir):
    assert slurm_profile(scratch=scratch)["default-resources"]["tmpdir"] == tmpdir


def test_stores_are_staged_where_a_site_wants_it():
    staged = slurm_profile(stage_stores="true")["set-resources"]
    assert {rule for rule, needs in staged.items() if needs.get("staged")} == TRAININGS
    assert not [needs for needs in slurm_profile()["set-resources"].values() if "staged" in needs]


def test_gpu_jobs_stop_without_gpu():
    assert "export CHEXSEG_REQUIRE_GPU=${CHEXSEG_REQUIRE_GPU:-1}" in slurm_profile()["precommand"]


def test_every_entry_is_explained():
    for name in ("slurm", "default"):
        lines = (ROOT / "profiles" / name / "config.yaml").read_text().splitlines()
        entries = [line for line in lines if re.match(r"[a-z]", line) and not line.endswith(":")]
        for line in entries:
            before = lines[lines.index(line) - 1]
            assert "# " in line or before.startswith("#"), line


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine with a driver and two GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: A (UUID: y)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(("visible", "gpus"), [(None, 2), ("1", 1), ("0,1", 2), ("", 0), ("-1", 0)])
@pytest.mark.usefixtures("driver")
def test_gpus_of_a_machine_with_driver(monkeypatch, visible, gpus):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert count_gpus() == gpus


def test_no_driver_no_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert count_gpus() == 0


def default_profile(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["snakemake", *words])
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    text = (ROOT / "profiles" / "default" / "config.yaml").read_text()
    return yte.process_yaml(text, require_use_yte=True)


@pytest.mark.usefixtures("driver")
def test_local_gpu_jobs_are_as_many_as_gpus(monkeypatch):
    assert default_profile(monkeypatch)["resources"] == {"gpu": 2}
    assert default_profile(monkeypatch, "--profile", "default")["resources"] == {"gpu": 2}
    for words in (["--profile", "slurm"], ["--profile=profiles/slurm"], ["--executor", "slurm"]):
        assert not {"resources", "cores"} & set(default_profile(monkeypatch, *words)), words


def test_without_gpus_nothing_limits_gpu_jobs(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "resources" not in default_profile(monkeypatch)


def test_the_default_study_is_named_in_a_checkout_alone(monkeypatch, tmp_path):
    """A deployed workflow brings this profile, and its Snakefile names its own config."""
    monkeypatch.chdir(ROOT)
    assert default_profile(monkeypatch)["configfile"] == "config/demo.yaml"
    monkeypatch.chdir(tmp_path)
    assert "configfile" not in default_profile(monkeypatch)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "found no such file"), ("a: [b\n", ":2:1: found"), ("- a\n", "found list"),
     ("a: 1\na: 2\n", ":2:1: found 'a' again")],
    ids=["absent", "broken", "list", "doubled"],
)  # fmt: skip
def test_snakemake_ends_in_our_words_if_a_config_cannot_be_read(
    tmp_path, monkeypatch, capsys, text, said
):
    """`profiles/default` is read before Snakemake reads the config."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("study: s\n")
    if text is not None:
        bad.write_text(text)
    profile = (ROOT / "profiles/default/config.yaml").read_text()
    monkeypatch.setattr("sys.argv", ["snakemake", "-n", "--configfile", str(good), str(bad), "-c1"])
    with pytest.raises(SystemExit) as end:
        yte.process_yaml(profile, require_use_yte=True)
    assert end.value.code == 1
    assert said in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["snakemake", "-n", "--configfile", str(good)])
    assert "cores" in yte.process_yaml(profile, require_use_yte=True)


@pytest.mark.parametrize(
    ("words", "makes"),
    [(["--report", "x.html"], True), (["--report=x.zip"], True), (["--report"], True),
     (["--report-after-run", "--report", "x.html"], False), (["results/x/report.csv"], False)],
)  # fmt: skip
def test_what_only_makes_a_report(monkeypatch, words, makes):
    monkeypatch.setattr("sys.argv", ["snakemake", "--configfile", "c.yaml", *words])
    assert makes_report() is makes
