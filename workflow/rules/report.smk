# REQUIRED INPUTS: scores, masks and the metrics of trainings.
# OUTPUTS: figures, with one job per figure.

from chexseg.catalog import load, names

FIGURES = {
    f"{name}{figure.suffix}": (name, figure)
    for name in names("figure")
    for figure in [load("figure", name)]
}
# Role of an artifact in a figure -> its files, and the names of their entries.
FILES = {
    "index": rules.build_index.output,
    "images": PATHS.store("images"),
    "truth": TEST_MASKS[:1],
    "summary": rules.score_runs.output.summary,
    "comparisons": rules.compare_runs.output,
    "false_positives": rules.score_runs.output.false_positives,
    "overlaps": expand(rules.count_overlaps.output, run=RUNS),
    "predictions": expand(rules.predict_masks.output, segmenter=study.segmenters),
    "trainings": [f"{RESULTS}/{training}/metrics.csv" for training in TRAININGS],
    "saliency": [p for name in study.saliency for p in PATHS.store(f"saliency/{name}")],
    "masks": [p for name in MADE_MASKS for p in PATHS.store(f"masks/{name}")],
}
ENTRIES = {
    "overlaps": RUNS,
    "predictions": study.segmenters,
    "trainings": TRAININGS,
    "saliency": study.saliency,
    "masks": MADE_MASKS,
}


def figure_of(wildcards):
    """Returns the figure that a job draws."""
    return FIGURES[wildcards.figure][1]


def inputs_of_figure(wildcards):
    """Returns the files that a figure uses, by role."""
    return {role: FILES[role] for role in figure_of(wildcards).roles}


def flags_of_figure(wildcards):
    """Returns the flags for the files that a figure uses, and for its settings."""
    figure = figure_of(wildcards)
    words = []
    for role in figure.roles:
        files = FILES[role]
        flag = "--" + role.replace("_", "-")
        words += [flag, *([files] if isinstance(files, str) else files)]
        words += [f"{flag}-names", *ENTRIES[role]] if role in ENTRIES else []
    others = FigureSettings.model_fields.keys() - {*figure.settings}
    return f"{quoted(*words)} {flags(study.figures, without=tuple(others))}"


rule draw_figure:
    input:
        unpack(inputs_of_figure),
    output:
        report(
            f"{RESULTS}/figures/{{figure}}",
            category=lambda wildcards: figure_of(wildcards).category,
            labels=lambda wildcards: {"file": figure_of(wildcards).title},
            caption="../report/figure.rst",
        ),
    log:
        f"{RESULTS}/logs/draw_figure/{{figure}}.log",
    wildcard_constraints:
        figure=one_of(FIGURES),
    resources:
        mem_mb=memory(4000),
        runtime=limit("draw_figure"),
    params:
        name=lambda wildcards: FIGURES[wildcards.figure][0],
        flags=flags_of_figure,
        caption=lambda wildcards: figure_of(wildcards).description,
    shell:
        "chexseg draw-figure --figure {params.name} --out {output:q} {params.flags}"
        " > {log:q} 2>&1"
