# Checks the config, and tells the other files where things are. No rule stands here.

import os
import re
import shlex
import sys

from snakemake.exceptions import WorkflowError

from chexseg.files.artifacts import WORKFLOW
from chexseg.files.atomic import check_writable
from chexseg.config.study import (
    IRNetEntry,
    ThresholdEntry,
    read_study,
)
from chexseg.scheduling.cost import CostModel
from chexseg.errors import InputError, Problem, nearest, told
from chexseg.config.defaults import EXPERT
from chexseg.scheduling.reruns import ask_records, typed
from chexseg.config.links import HUMAN, contrasts_of, runs_of
from chexseg.config.settings import FigureSettings, flags


def in_words(error):
    """Snakemake shows a WorkflowError without the lines of code that it passed through."""
    return WorkflowError(f"{len(error.problems)} problem(s)\n{told(error.problems)}")


try:
    study = read_study(config, tuple(workflow.configfiles))
    if workflow.is_main_process:
        # Whether an artifact is up to date is a matter of content, not of time.
        ask_records()
        if not (workflow.output_settings.dryrun and os.path.isdir(".snakemake")):
            check_writable(".snakemake")
except InputError as error:
    raise in_words(error) from None


# What to type to go on, for records and messages. The process that runs a job elsewhere has it from
# the one that submitted the job.
to_type = typed(workflow)
if not workflow.is_main_process:
    to_type = os.environ.get(WORKFLOW, to_type)
# `.venv/bin/snakemake` without an activated environment: jobs find chexseg all the same.
# Snakemake formats the prefix, so braces are doubled.
shell.prefix(
    (
        f'export PATH="$PATH":{shlex.quote(os.path.dirname(sys.executable))}'
        f" {WORKFLOW}={shlex.quote(to_type)}; "
    )
    .replace("{", "{{")
    .replace("}", "}}")
)

COST = CostModel(study)
RESULTS = f"results/{study.study}"
DATA = study.data.root or f"{RESULTS}/phantom"
SHARDS = [f"{shard:04d}" for shard in range(study.data.index.shards)]
PATHOLOGIES = study.data.pathologies
THRESHOLD_MASKS = [
    n for n, e in study.pseudo_masks.items() if isinstance(e, ThresholdEntry)
]
IRNET_MASKS = [n for n, e in study.pseudo_masks.items() if isinstance(e, IRNetEntry)]
HUMAN_RUNS = [HUMAN] if study.data.radiologist_masks else []
TRAININGS = [
    *(f"classifiers/{name}" for name in study.classifiers),
    *(f"pseudo_masks/{name}" for name in IRNET_MASKS),
    *(f"segmenters/{name}" for name in study.segmenters),
]
RUNS = runs_of(study)


def check_rule_names(rules):
    """A profile or a command line that says what an unknown rule needs has a slip of the pen."""
    names, settings = [*rules], workflow.resource_settings
    asked = {*settings.overwrite_resources, *settings.overwrite_threads}
    problems = [
        Problem(
            "the profile, or --set-resources",
            f"a rule {name!r}",
            "a rule of the workflow",
            f"Did you mean {nearest(name, names)!r}?",
        )
        for name in sorted(asked - {*names})
    ]
    if problems:
        raise in_words(InputError(problems))


onstart:
    os.environ[WORKFLOW] = to_type
    jobs = workflow.dag.needrun_jobs()
    try:
        check_writable(
            *{
                os.path.dirname(path)
                for job in jobs
                for path in [*job.output, *job.log]
            }
        )
    except InputError as error:
        raise in_words(error) from None


def one_of(names):
    """A wildcard constraint: one of the names, or nothing if there is none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    shard=r"\d{4}",
    classifier=one_of(study.classifiers),
    saliency=one_of(study.saliency),
    masks=one_of(study.pseudo_masks),
    segmenter=one_of(study.segmenters),
    run=one_of(RUNS),


def data(name):
    """Path of one of the data's own files, by its key in the config."""
    return f"{DATA}/{getattr(study.data, name)}"


def shards(folder):
    """All shards of a store."""
    return [f"{RESULTS}/{folder}/{shard}.h5" for shard in SHARDS]


def initial_weights(name, architecture):
    """The file behind a setting of initial weights: fetched, a classifier's, or at a path."""
    if name == "none":
        return []
    if name == "imagenet":
        return f"weights/imagenet/{architecture}.pt"
    return (
        f"{RESULTS}/classifiers/{name}/checkpoint.pt"
        if name in study.classifiers
        else name
    )


def quoted(*words):
    """Words for the shell."""
    return " ".join(shlex.quote(str(word)) for word in words)


def saliency_shard(wildcards):
    """The shard of saliency maps that pseudo masks are made from."""
    entry = study.pseudo_masks[wildcards.masks]
    return f"{RESULTS}/saliency/{entry.saliency}/{wildcards.shard}.h5"


def predictions_of_run(wildcards):
    """A segmenter's masks, or those of the second reader."""
    if wildcards.run == HUMAN:
        return data("radiologist_masks")
    return f"{RESULTS}/predictions/{wildcards.run}.json"


def memory(least):
    """Megabytes: half as many more with each attempt, and more for more X-rays."""
    return lambda wildcards, attempt: COST.megabytes(least) * (attempt + 1) // 2


def limit(rule):
    """Minutes: they grow with each attempt, and with what the cost model expects."""
    return lambda wildcards, attempt: attempt * COST.minutes(rule, wildcards)


def execution(wildcards, resources, threads):
    """Flags of a training that say how to compute: they change no artifact."""
    nodes = resources.get("nodes", 1)
    devices = resources.gpu // nodes
    if devices * nodes != resources.gpu:
        raise WorkflowError(
            f"{resources.gpu} GPUs cannot be shared evenly by {nodes} nodes."
        )
    # Those of a rule are shared by its processes on a node.
    words = ["--devices", devices, "--nodes", nodes]
    words += ["--threads", max(1, threads // max(1, devices))]
    if resources.get("staged"):
        words += ["--scratch", resources.tmpdir]
    return quoted(*words)
