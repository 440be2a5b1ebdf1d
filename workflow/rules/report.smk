# REQUIRED INPUTS: scores, masks and the metrics of trainings.
# OUTPUTS: figures and tables, with one job for each, in three formats.

# Of maps and masks without a class in common with the pathologies, there is nothing to show.
SHOWN_MASKS = [
    name
    for name, source in study.masks.items()
    if source.made and not set(PATHOLOGIES).isdisjoint(source.classes_of(study))
]
# The saliency entries that vote on masks, and the masks that experts drew.
VOTERS = [*dict.fromkeys(name for voters in VOTED_MASKS.values() for name in voters)]
DRAWN_MASKS = drawn_masks(study)
# Role of an artifact in a figure -> its files, and the names of their entries.
FILES = {
    "index": rules.build_index.output,
    "images": PATHS.store("images"),
    "truth": TEST_MASKS[:1],
    "summary": rules.score_runs.output.summary,
    "averages": rules.average_seeds.output,
    "runs": rules.list_runs.output,
    "comparisons": rules.compare_runs.output.comparisons,
    "mask_quality": rules.score_masks.output.masks,
    "overlaps": expand(rules.count_overlaps.output, run=RUNS),
    "predictions": expand(rules.predict_masks.output, segmenter=SCORED),
    "trainings": [f"{RESULTS}/{training}/metrics.csv" for training in TRAININGS],
    "saliency": [p for name in SCORED_MAPS for p in PATHS.store(f"saliency/{name}")],
    "masks": [p for name in SHOWN_MASKS for p in PATHS.store(f"masks/{name}")],
    "explanations": [p for name in VOTERS for p in PATHS.store(f"saliency/{name}")],
    "labels": [p for name in VOTED_MASKS for p in PATHS.store(f"masks/{name}")],
    "drawn": [p for name in DRAWN_MASKS for p in PATHS.store(f"masks/{name}")],
}
ENTRIES = {
    "overlaps": RUNS,
    "predictions": SCORED,
    "trainings": TRAININGS,
    "saliency": SCORED_MAPS,
    "masks": SHOWN_MASKS,
    "explanations": VOTERS,
    "labels": [*VOTED_MASKS],
    "drawn": DRAWN_MASKS,
}
# Role -> its entries, for figures that show only so many.
BOUNDED = {
    "averages": [f"segmenters/{name}" for name in groups_of_seeds(study)],
    "comparisons": [f"contrasts/{name}" for name in CONTRASTS],
    "mask_quality": [f"masks/{name}" for name in SCORED_MASKS],
    "predictions": [f"segmenters/{name}" for name in SCORED],
    "trainings": TRAININGS,
    "saliency": [f"saliency/{name}" for name in SCORED_MAPS],
    "masks": [f"masks/{name}" for name in SHOWN_MASKS],
}


rule draw_figure:
    input:
        unpack(inputs_of_figure),
    output:
        report(
            f"{RESULTS}/figures/{{figure}}.png",
            category=lambda wildcards: figure_of(wildcards).category,
            labels=labels_of_figure,
            caption="../report/figure.rst",
        ),
        f"{RESULTS}/figures/{{figure}}.pdf",
        f"{RESULTS}/figures/{{figure}}.svg",
    log:
        f"{RESULTS}/logs/draw_figure/{{figure}}.log",
    wildcard_constraints:
        figure=one_of(
            each for each in FIGURES if FIGURES[each].figure.formats == PICTURE
        ),
    resources:
        mem_mb=memory(4000),
        runtime=limit("draw_figure"),
    params:
        name=lambda wildcards: FIGURES[wildcards.figure].name,
        flags=flags_of_figure,
        caption=lambda wildcards: figure_of(wildcards).description,
        sources=sources_of_figure,
    shell:
        "chexseg draw-figure --figure {params.name} --out {output:q} {params.flags}"
        " > {log:q} 2>&1"


use rule draw_figure as write_table with:
    output:
        report(
            f"{RESULTS}/figures/{{figure}}.html",
            category=lambda wildcards: figure_of(wildcards).category,
            labels=labels_of_figure,
            caption="../report/figure.rst",
        ),
        f"{RESULTS}/figures/{{figure}}.csv",
        f"{RESULTS}/figures/{{figure}}.tex",
    log:
        f"{RESULTS}/logs/write_table/{{figure}}.log",
    wildcard_constraints:
        figure=one_of(each for each in FIGURES if FIGURES[each].figure.formats == TABLE),
