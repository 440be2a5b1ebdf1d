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
    "comparisons": rules.compare_runs.output.comparisons,
    "mask_quality": rules.score_masks.output.masks,
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
# Role -> its entries, for figures that show only so many.
BOUNDED = {
    "summary": [f"segmenters/{name}" for name in study.segmenters],
    "comparisons": [f"contrasts/{name}" for name in CONTRASTS],
    "mask_quality": [f"masks/{name}" for name in SCORED_MASKS],
    "predictions": [f"segmenters/{name}" for name in study.segmenters],
    "trainings": TRAININGS,
    "saliency": [f"saliency/{name}" for name in study.saliency],
    "masks": [f"masks/{name}" for name in MADE_MASKS],
}


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
