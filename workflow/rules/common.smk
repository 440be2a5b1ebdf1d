# Checks the config, and defines names that the other files use. It has no rules.

import os
import re
import shlex
import sys

from snakemake.exceptions import WorkflowError

import chexseg
from chexseg.config.contrasts import SEPARATOR, contrasts_of
from chexseg.config.defaults import EXPERT
from chexseg.config.flags import flags
from chexseg.config.links import (
    HUMAN,
    runs_of,
    runs_with_histograms,
    scored_maps,
    scored_masks,
    scored_segmenters,
)
from chexseg.config.overrides import as_typed
from chexseg.config.paths import Paths
from chexseg.config.runs import factors_of, table_of_runs
from chexseg.config.seeds import groups_of_seeds
from chexseg.config.settings import FigureSettings
from chexseg.config.shown import drawn_masks, voted_masks
from chexseg.config.starts import unused_of_start
from chexseg.config.study import read_study
from chexseg.errors import InputError, Problem, format_problems, nearest
from chexseg.files.artifacts import WORKFLOW
from chexseg.files.atomic import check_writable
from chexseg.report.figure import (
    PICTURE,
    TABLE,
    entries_to_show,
    figures_of,
    published_beside,
)
from chexseg.scheduling.cost import CostModel
from chexseg.scheduling.profiles import command_of_workflow
from chexseg.scheduling.snakemake_questions import ask_records


def workflow_error(error):
    """Converts an InputError to a WorkflowError, which Snakemake prints without a traceback."""
    converted = WorkflowError(
        f"{len(error.problems)} problem(s)\n{format_problems(error.problems)}"
    )
    converted.problems = error.problems  # for `why` and `status`
    return converted


try:
    typed, overrides = as_typed(config, workflow.config_settings)
    study = read_study(typed, tuple(workflow.configfiles), overrides)
    if workflow.is_main_process:
        # Decide by content, not by time stamps, whether an artifact is up to date.
        ask_records()
        if not (workflow.output_settings.dryrun and os.path.isdir(".snakemake")):
            check_writable(".snakemake")
except InputError as error:
    raise workflow_error(error) from None


# Artifacts and records refer to each other by paths relative to the working directory.
if workflow.modifier.modify_path("results") != "results":
    raise WorkflowError(
        "CheXseg as a module cannot have a prefix: its artifacts are in results/<study>/."
    )

# The command that resumes the workflow, for records and messages. A process that runs a job on
# another machine gets it from the process that submitted the job.
resume_command = command_of_workflow(workflow)
if not workflow.is_main_process:
    resume_command = os.environ.get(WORKFLOW, resume_command)
# Jobs must find chexseg even if `.venv/bin/snakemake` runs without an activated environment.
variables = [
    f'PATH="$PATH":{shlex.quote(os.path.dirname(sys.executable))}',
    f"{WORKFLOW}={shlex.quote(resume_command)}",
]
# In a checkout, jobs import its package, as this process does, not an installed version.
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
# The truth of the test X-rays, followed by the masks of other readers.
TEST_MASKS = PATHS.test_masks()
NAMED_MASKS = [name for name in study.masks if name != EXPERT]
# Those on which several voters agree, and the voters' names.
VOTED_MASKS = voted_masks(study)
# Those that are compared with the experts' masks, and on which splits.
SCORED_MASKS = scored_masks(study)
SCORED_MAPS = scored_maps(study)
TRAININGS = []  # folders with a metrics.csv; each rule file adds its own
RUNS = runs_of(study)
SCORED = scored_segmenters(study)
FIGURES = figures_of(study)
FIGURE_FILES = [
    f"{each}{suffix}" for each in FIGURES for suffix in FIGURES[each].figure.formats
]
WITH_HISTOGRAMS = runs_with_histograms(study)


def check_rule_names(rules):
    """Rejects resource overrides for rules that do not exist."""
    names, settings = [*rules], workflow.resource_settings
    overridden = {*settings.overwrite_resources, *settings.overwrite_threads}
    problems = [
        Problem(
            "the profile, or --set-resources",
            f"a rule {name!r}",
            "a rule of the workflow",
            f"Did you mean {nearest(name, names)!r}?",
        )
        for name in sorted(overridden - {*names})
    ]
    if problems:
        raise workflow_error(InputError(problems))


onstart:
    os.environ[WORKFLOW] = resume_command
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
        raise workflow_error(error) from None


def one_of(names):
    """Returns a wildcard constraint that matches any of the names, or nothing without names."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    shard=r"\d{4}",
    classifier=one_of(study.classifiers),
    saliency=one_of(study.saliency),
    masks=one_of(study.masks),
    segmenter=one_of(study.segmenters),
    run=one_of(RUNS),


def quoted(*words):
    """Quotes words for the shell."""
    return " ".join(shlex.quote(str(word)) for word in words)


def flags_of_files(files):
    """Returns the flags of a command for files: one per role."""
    return quoted(
        *(word for role, paths in files.items() for word in (f"--{role}", *paths))
    )


def predictions_of_run(wildcards):
    """Returns the masks of a segmenter or of the second reader."""
    if wildcards.run == HUMAN:
        return TEST_MASKS[1]
    return f"{RESULTS}/predictions/{wildcards.run}.json"


def memory(least):
    """Returns memory in MB, which grows by half with each attempt and with the number of X-rays."""
    return lambda wildcards, attempt: COST.megabytes(least) * (attempt + 1) // 2


def limit(rule):
    """Returns a time limit in minutes, from the cost model, which grows with each attempt."""
    return lambda wildcards, attempt: attempt * COST.minutes(rule, wildcards)


def execution(wildcards, resources, threads):
    """Returns the flags that control how a training runs; they do not affect its result."""
    nodes = resources.get("nodes", 1)
    devices = resources.gpu // nodes
    if devices * nodes != resources.gpu:
        raise WorkflowError(
            f"{resources.gpu} GPUs cannot be divided evenly among {nodes} nodes."
        )
    # The threads of a rule are shared by its processes on a node.
    words = ["--devices", devices, "--nodes", nodes]
    words += ["--threads", max(1, threads // max(1, devices))]
    if resources.get("staged"):
        words += ["--scratch", resources.tmpdir]
    return quoted(*words)


def files_of_method(wildcards):
    """Returns the files that a saliency method reads besides X-rays and classifiers: role -> files."""
    return study.saliency[wildcards.saliency].inputs(PATHS)


def files_of_source(wildcards):
    """Returns the files from which a shard of masks is made: role -> files."""
    return study.masks[wildcards.masks].inputs(PATHS, wildcards.masks, wildcards.shard)


def train_images_of_source(wildcards):
    """Returns the flag for the number of train X-rays that a source of masks takes, if not all."""
    number = study.masks[wildcards.masks].train_images
    return "" if number is None else quoted("--train-images", number)


def masks_of_segmenter(wildcards):
    """Returns the shards of all training masks of a segmenter, in the order of its sources."""
    names, _ = study.segmenters[wildcards.segmenter].mixture()
    return [shard for name in names for shard in PATHS.store(f"masks/{name}")]


def mixture_of_segmenter(wildcards):
    """Returns the flags for the names of these sources and, if given, their weights."""
    entry = study.segmenters[wildcards.segmenter]
    names, weights = entry.mixture()
    words = ["--sources", *names, *(["--mixing", *weights] if weights else [])]
    left_out = entry.left_out()
    return quoted(*words, *(["--leave-out", *left_out] if left_out else []))


def flags_of_segmenter(wildcards):
    """Returns the flags of a segmenter's settings, without those that its training does not need."""
    entry = study.segmenters[wildcards.segmenter]
    return flags(entry, without=("scored", *unused_of_start(study, entry)))


def flags_of_intervals(wildcards):
    """Returns the flags of what intervals are made with, without the metrics of runs."""
    intervals = {"replicates", "confidence", "seed"}
    others = type(study.evaluation).model_fields.keys() - intervals
    return flags(study.evaluation, without=tuple(others))


def figure_of(wildcards):
    """Returns the definition of the figure that a job draws."""
    return FIGURES[wildcards.figure].figure


def labels_of_figure(wildcards):
    """Returns what the report calls a figure in its list."""
    drawn = FIGURES[wildcards.figure]
    name = f"{drawn.sweep}: {drawn.figure.title}" if drawn.sweep else drawn.figure.title
    return {"file": name}


def sources_of_figure(wildcards):
    """Returns the files behind a figure, in words: the path of one, or how many there are."""
    words = []
    for role in figure_of(wildcards).roles:
        files = FILES[role]
        files = [files] if isinstance(files, str) else [*files]
        if len(files) == 1:
            words.append(f"``{files[0]}``")
        elif files:
            words.append(f"{len(files)} files in ``{os.path.commonpath(files)}/``")
    return ", ".join(words)


def inputs_of_figure(wildcards):
    """Returns the files that a figure uses, by role."""
    return {role: FILES[role] for role in figure_of(wildcards).roles}


def flags_of_figure(wildcards):
    """Returns the flags for the files that a figure uses, and for its settings."""
    figure = figure_of(wildcards)
    words = []
    for role in figure.roles:
        files = FILES[role]
        flag = f"--{role.replace('_', '-')}"
        words += [flag, *([files] if isinstance(files, str) else files)]
        words += [f"{flag}-names", *ENTRIES[role]] if role in ENTRIES else []
    entries = [entry for role in figure.bounded for entry in BOUNDED[role]]
    shown = entries_to_show(study, entries)
    words += ["--shown", *shown] if shown else []
    sweep = FIGURES[wildcards.figure].sweep
    words += ["--sweep", sweep, "--factors", *factors_of(study, sweep)] if sweep else []
    published = published_beside(study, sweep) if figure.published else []
    words += ["--published", *published] if published else []
    others = FigureSettings.model_fields.keys() - {*figure.settings}
    return f"{quoted(*words)} {flags(study.figures, without=tuple(others))}"
