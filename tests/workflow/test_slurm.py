"""`snakemake --profile slurm` on a real Slurm: the same bits as here, whatever happens to jobs."""

import contextlib
import csv
import filecmp
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.slurm_cluster import reason_for_none, slurm_cluster, wait_until

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(reason_for_none() is not None, reason=str(reason_for_none())),
]

# Of the segmenter that is stopped: long enough to be met in the middle of an epoch.
LONG = {"epochs": 8, "samples_per_epoch": 40}
FULL = "train_segmenter_wildcards_full"
GPU_RULES = {
    "train_classifier", "compute_saliency", "label_affinity", "train_irnet", "compute_affinity",
    "make_masks_on_gpu", "train_segmenter", "predict_masks",
}  # fmt: skip
# As typed by a person, but for a node without real GPUs and accounting, and for haste.
ARGUMENTS = (
    "--profile", "slurm", "--slurm-status-command", "squeue", "--latency-wait", "20",
    "--slurm-init-seconds-before-status-checks", "3", "--set-threads", "train_segmenter=1", "store_images=3",
)  # fmt: skip


PATIENCE = 900  # seconds that a run may take on a busy machine


class Head:
    """Starts snakemake in the repository's root, for a study in a folder of its own."""

    def __init__(self, workflow, study: dict, *arguments: str, **environment: str):
        self.folder, self.arguments = workflow.folder, arguments
        self.results = workflow.folder / "results" / study["study"]
        self.config = workflow.write(study)
        self.log = workflow.folder / "head.log"
        self.environment = {**workflow.environment, **environment}

    @contextlib.contextmanager
    def started(self, *arguments: str):
        """Yields the process, and kills it (-9) at the end."""
        words = [sys.executable, "-m", "snakemake", "--configfile", str(self.config)]
        words += ["--directory", str(self.folder), *self.arguments, *arguments]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                words, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def ends(self, process: subprocess.Popen) -> None:
        assert process.wait(PATIENCE) == 0, self.log.read_text()

    def run(self, *arguments: str) -> None:
        with self.started(*arguments) as process:
            self.ends(process)


def place_in(text: str, after: str) -> tuple[int, int]:
    """Returns the epoch and the step that the log of a training tells."""
    return tuple(map(int, re.search(rf"{after} epoch (\d+), after step (\d+)", text).groups()))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with slurm_cluster(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def study(tiny):
    segmenters = tiny["segmenters"]
    return tiny | {"segmenters": segmenters | {"full": segmenters["full"] | LONG}}


@pytest.fixture(scope="module")
def local(study, new_workflow, tmp_path_factory):
    """The study without Slurm, being computed: its head and the process."""
    head = Head(new_workflow(tmp_path_factory.mktemp("local")), study, "--cores", "1")
    with head.started() as process:
        yield head, process


@pytest.fixture(scope="module")
def head(study, local, cluster, new_workflow, tmp_path_factory):
    """The study, computed by Slurm whatever happens: a job, the head and a node are lost."""
    workflow = new_workflow(tmp_path_factory.mktemp("slurm_study"))
    path = f"{cluster.folder}/bin{os.pathsep}{workflow.environment['PATH']}"
    environment = {**cluster.environment, "PATH": path, "CHEXSEG_REQUIRE_GPU": "0"}
    head = Head(workflow, study, *ARGUMENTS, **environment)

    training_log = head.results / "logs" / "train_segmenter" / "full.log"
    with head.started("--restart-times", "0"):
        wait_until(
            lambda: training_log.exists() and "\nepoch 1 " in "\n" + training_log.read_text(),
            "the segmenter is in its second epoch", PATIENCE,
        )  # fmt: skip
        [training] = cluster.jobs_of(FULL, "RUNNING")
        cluster.command("scancel", training)  # SIGTERM, 10 s of grace, SIGKILL
        wait_until(lambda: cluster.jobs_of(FULL, "CANCELLED"), "it is gone", 60)
        wait_until(lambda: "saved" in training_log.read_text(), "its state is saved", 20)
        head.saved = place_in(training_log.read_text(), "SIGTERM: saved")
    # Now the head is killed; its other jobs stay in the queue.
    cluster.command("scancel", *cluster.jobs_of("", "RUNNING"), *cluster.jobs_of("", "PENDING"))
    head.run("--unlock")

    with head.started() as process:
        wait_until(lambda: "resumed" in training_log.read_text(), "it trains again", PATIENCE)
        head.resumed = place_in(training_log.read_text(), "resumed at")
        [lost] = cluster.nodes_of(FULL)
        for state in ("down", "resume"):
            cluster.command(
                "scontrol", "update", f"nodename={lost}", f"state={state}", "reason=test"
            )
        head.ends(process)
    head.fates = cluster.jobs("comment", "state", "restartcnt")
    return head


def test_same_bits_as_without_slurm(local, head):
    alone, process = local
    alone.ends(process)
    for path in (
        "summary.csv", "comparisons.csv", "classifiers/small/checkpoint.pt",
        "segmenters/full/checkpoint.pt", "predictions/full.json", "figures/gallery.png",
    ):  # fmt: skip
        assert filecmp.cmp(alone.results / path, head.results / path, shallow=False), path


def test_nothing_is_trained_twice(head):
    """It went on where SIGTERM had met it; then its node went down."""
    fates = [(state, restarts) for comment, state, restarts in head.fates if FULL in comment]
    assert [state for state, _ in fates].count("CANCELLED") == 1
    assert any(state == "NODE_FAIL" or restarts != "0" for state, restarts in fates), fates
    assert head.resumed == head.saved >= (2, 1)


def test_gpu_rules_get_a_gpu_and_the_others_none(cluster, head):
    """All that started, whether or not they came to their end."""
    seen, rules = cluster.devices(), set()
    for job, comment, asked in cluster.jobs("jobid", "comment", "tres-per-job"):
        if job not in seen:
            continue
        rule = next((name for name in GPU_RULES if name in comment), None)
        rules.add(rule)
        assert ("gpu:1" in asked) == (rule is not None), comment
        assert seen[job] <= ({"0", "1"} if rule else {"none"}), comment
    assert rules == {*GPU_RULES, None}


def test_threads_are_not_limited_by_the_cores_of_the_head(cluster, head):
    cpus = dict(cluster.jobs("comment", "numcpus"))
    assert cpus["rule_store_images_wildcards_0000"] == "3"


def test_head_as_a_job(cluster, head):
    """The script of docs/cluster.md."""
    blocks = (ROOT / "docs" / "cluster.md").read_text().split("```bash\n")
    script = head.folder / "head.sh"
    script.write_text(next(block for block in blocks if "#SBATCH" in block).partition("```")[0])
    summary = head.results / "summary.csv"
    before = summary.read_bytes()
    summary.unlink()
    words = [*ARGUMENTS, "--configfile", head.config, "--directory", head.folder]
    log = head.folder / "head-job.log"
    cluster.command(
        "sbatch", f"--chdir={ROOT}", f"--output={log}", script, *words, environment=head.environment
    )
    wait_until(
        lambda: cluster.command("squeue", "-h", "--name", "chexseg-head") == "", "it ends", PATIENCE
    )
    assert summary.read_bytes() == before, log.read_text()


def test_nothing_is_left_to_do(cluster, head):
    before = len(cluster.jobs("jobid"))
    head.run()
    assert len(cluster.jobs("jobid")) == before


def test_a_training_on_two_nodes(cluster, head, tmp_path):
    """As docs/cluster.md tells: by the site's `exceptions`, with a process on each node."""
    profile = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
    needs = "exceptions: {train_irnet: {nodes: 2, gpu: 2, mem_mb: 4000}}"
    profile = profile.replace("exceptions: {}", needs).replace("gpu_threads: 8", "gpu_threads: 1")
    (tmp_path / "config.yaml").write_text(profile)
    metrics = head.results / "affinity" / "irnet" / "metrics.csv"
    [alone] = csv.DictReader(metrics.read_text().splitlines())
    words = ("--profile", str(tmp_path), "--forcerun", "train_irnet", "--until", "train_irnet")
    # Only Slurm knows these nodes by their names.
    head.environment["MASTER_ADDR"] = "127.0.0.1"
    head.run(*words)
    del head.environment["MASTER_ADDR"]
    jobs = [job for job in cluster.jobs("comment", "numnodes", "jobid") if "train_irnet" in job[0]]
    together_on = max((number for _, nodes, number in jobs if nodes == "2"), key=int)
    assert cluster.devices()[together_on] == {"0"}, "the first GPU of each node"
    log = (head.results / "logs" / "train_irnet" / "irnet.log").read_text()
    assert "Starting with 2 processes" in log
    assert log.count("best epoch") == 1, "one process speaks for both"
    [together] = csv.DictReader(metrics.read_text().splitlines())
    assert float(together["loss"]) == pytest.approx(float(alone["loss"]), rel=1e-3)
    assert together != alone, "it was trained again"


def test_a_gpu_job_without_gpu_stops(head):
    """As the profile is shipped; the GPU that Slurm gives the job here is none."""
    del head.environment["CHEXSEG_REQUIRE_GPU"]
    words = ("--restart-times", "0", "--forcerun", "predict_masks", "--until", "predict_masks")
    with head.started(*words) as process:
        assert process.wait(PATIENCE) != 0
    log = head.results / "logs" / "predict_masks" / "full.log"
    assert "no GPU that torch can use" in log.read_text()
