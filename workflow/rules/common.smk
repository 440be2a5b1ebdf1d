# Checks the config, and tells the other files where things are. No rule stands here.

import os
import re
import shlex
import sys

from snakemake.exceptions import WorkflowError

import chexseg
from chexseg.files.artifacts import WORKFLOW
from chexseg.files.atomic import check_writable
from chexseg.config.defaults import EXPERT
from chexseg.config.flags import flags
from chexseg.config.links import HUMAN, contrasts_of, runs_of
from chexseg.config.paths import Paths
from chexseg.config.study import read_study
from chexseg.scheduling.cost import CostModel
from chexseg.errors import InputError, Problem, format_problems, nearest
from chexseg.scheduling.profiles import command_of_workflow
from chexseg.scheduling.snakemake_questions import ask_records
from chexseg.config.settings import FigureSettings


def in_words(error):
    """Snakemake shows a WorkflowError without the lines of code that it passed through."""
    return WorkflowError(f"{len(error.problems)} problem(s)\n{format_problems(error.problems)}")


try:
    study = read_study(config, tuple(workflow.configfiles))
    if workflow.is_main_process:
        # Whether an artifact is up to date is a matter of content, not of time.
        ask_records()
        if not (workflow.output_settings.dryrun and os.path.isdir(".snakemake")):
            check_writable(".snakemake")
except InputError as error:
    raise in_words(error) from None


# Artifacts and records name each other by paths that begin in the working directory.
if workflow.modifier.modify_path("results") != "results":
    raise WorkflowError(
        "CheXseg as a module takes no prefix: its artifacts lie in results/<study>/."
    )

# What to type to go on, for records and messages. The process that runs a job elsewhere has it from
# the one that submitted the job.
to_type = command_of_workflow(workflow)
if not workflow.is_main_process:
    to_type = os.environ.get(WORKFLOW, to_type)
# `.venv/bin/snakemake` without an activated environment: jobs find chexseg all the same.
variables = [
    f'PATH="$PATH":{shlex.quote(os.path.dirname(sys.executable))}',
    f"{WORKFLOW}={shlex.quote(to_type)}",
]
# In a checkout, jobs use its package as this process does, whichever version is installed.
checkout = os.path.dirname(os.path.dirname(os.path.abspath(chexseg.__file__)))
if os.path.isfile(f"{checkout}/Snakefile"):
    variables.append(
        f'PYTHONPATH={shlex.quote(checkout)}"${{PYTHONPATH:+:$PYTHONPATH}}"'
    )
# Snakemake formats the prefix, so braces are doubled.
shell.prefix(f"export {' '.join(variables)}; ".replace("{", "{{").replace("}", "}}"))

PATHS = Paths(study)
COST = CostModel(study)
RESULTS, DATA = PATHS.results, PATHS.root
PATHOLOGIES = study.data.pathologies
# The truth of the test X-rays, and behind it what other readers drew.
TEST_MASKS = [str(path) for path in study.data.mask_files(DATA, "test")]
NAMED_MASKS = [name for name in study.masks if name != EXPERT]
MADE_MASKS = [name for name, source in study.masks.items() if source.made]
TRAININGS = []  # folders with a metrics.csv: each file of rules adds its own
RUNS = runs_of(study)


def check_rule_names(rules):
    """Refuses resources for rules that do not exist, on the command line or in a profile."""
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
    masks=one_of(study.masks),
    segmenter=one_of(study.segmenters),
    run=one_of(RUNS),


def quoted(*words):
    """Words for the shell."""
    return " ".join(shlex.quote(str(word)) for word in words)


def flags_of_files(files):
    """Flags of a command for files: one for each role."""
    return quoted(
        *(word for role, paths in files.items() for word in (f"--{role}", *paths))
    )


def predictions_of_run(wildcards):
    """A segmenter's masks, or those of the second reader."""
    if wildcards.run == HUMAN:
        return TEST_MASKS[1]
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
