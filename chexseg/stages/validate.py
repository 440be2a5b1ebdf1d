"""Checks a config and its tables, masks, X-rays and weights before any job runs."""

from __future__ import annotations

from pathlib import Path

from chexseg.config.data import DataSection
from chexseg.config.links import files_of_weights
from chexseg.config.overrides import overrides_of
from chexseg.config.study import load_data, load_study
from chexseg.data.layouts.release import read_release, refuse_assumed_views
from chexseg.errors import GROUPS, InputError, Problem, format_problems
from chexseg.files.atomic import atomic
from chexseg.models.trained import check_start, check_weights
from chexseg.scheduling.graph import default_configs
from chexseg.stages.check_data import examine


def run(
    *,
    configfile: tuple[Path, ...] = (),
    config: tuple[str, ...] = (),
    snakefile: Path | None = None,
    decode: bool = True,
    threads: int = 2,
    report: Path | None = None,
) -> None:
    """Check a study, its data and its weights, and print a report about the data.

    Args:
        configfile: Config files of the study; by default the one that `snakemake` uses.
        config: Overrides, `key=value`, as in `snakemake --config`.
        snakefile: Snakefile of the workflow, as in `snakemake --snakefile`.
        decode: Also decode every X-ray, which finds truncated files but takes a while.
        threads: Number of X-rays decoded at once.
        report: Text file for the report, including all problems.

    Raises:
        InputError: lists everything that is wrong.
    """
    files, overrides = configfile or default_configs(snakefile), overrides_of(config)
    head, text, problems = "study: the config is invalid", "data: not checked\n", []
    try:
        study = load_study(*files, overrides=overrides)
    except InputError as error:
        study = None
        problems += error.problems
        data = load_data(*files, overrides=overrides)  # it may still be valid
        weights, segmenters = [], ()
    else:
        data, weights = study.data, files_of_weights(study)
        segmenters = study.segmenters.values()
        head = f"study {study.study!r}: {len(study.segmenters)} segmenters"
        text = "data: the phantom, generated when the workflow runs\n"
    if data is not None and data.root is not None:
        text, data_problems = _examine_data(data, decode, threads)
        problems += data_problems
    for file, architecture in weights:
        starts = [s for s in segmenters if (s.initial_weights, s.encoder) == (file, architecture)]
        try:
            check_weights(file, architecture)
            for settings in starts:
                check_start(settings)
        except InputError as error:
            problems += error.problems
    examined = {"config"} | {problem.group for problem in problems}
    examined |= {"weights"} if study is not None else set()
    examined |= (
        {"tables", "masks", "X-rays"} if data is not None and data.root is not None else set()
    )
    lines = [head, ""]
    for group in GROUPS:
        number = sum(problem.group == group for problem in problems)
        count = f"{number or 'no'} problem{'s' * (number != 1)}"
        lines.append(f"{group:<10}{count if group in examined else 'not checked'}")
    text = "\n".join(lines) + "\n\n" + text
    if report is not None:
        with atomic(report) as temporary:
            details = f"\n{format_problems(problems)}\n" if problems else ""
            temporary.write_text(text + details, encoding="utf-8")
    print(text, end="")
    if problems:
        raise InputError(problems)


def _examine_data(data: DataSection, decode: bool, threads: int) -> tuple[str, list[Problem]]:
    release = read_release(
        data.layout,
        Path(data.root),
        data.files(data.root),
        findings=data.findings,
        pathologies=data.pathologies,
    )
    text, problems = examine(release, decode=decode, threads=threads)
    if not data.index.assume_frontal:
        problems = [*problems, *refuse_assumed_views(release)]
    return text, problems
