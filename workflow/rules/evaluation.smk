# Needs predictions and expert masks of the test set; makes scores, the summary and figures.


rule evaluate:
    input:
        index=rules.build_index.output,
        truth=TEST_MASKS[:1],
        predictions=predictions_of_run,
    output:
        scores=f"{RESULTS}/evaluation/{{run}}.csv",
        overlaps=f"{RESULTS}/evaluation/{{run}}_overlaps.csv",
    log:
        f"{RESULTS}/logs/evaluate/{{run}}.log",
    resources:
        mem_mb=memory(4000),
        runtime=limit("evaluate"),
    params:
        flags=flags(study.evaluation),
        pathologies=quoted(*PATHOLOGIES),
    shell:
        "chexseg evaluate --gt {input.truth:q} --pred {input.predictions:q}"
        " --index {input.index:q} --run-name {wildcards.run:q} --out {output.scores:q}"
        " --overlaps {output.overlaps:q} --pathologies {params.pathologies} {params.flags}"
        " > {log:q} 2>&1"


rule compare_runs:
    input:
        overlaps=expand(rules.evaluate.output.overlaps, run=RUNS),
    output:
        summary=report(
            f"{RESULTS}/summary.csv",
            category="Scores",
            labels={"file": "summary.csv"},
            caption="../report/summary.rst",
        ),
        comparisons=report(
            f"{RESULTS}/comparisons.csv",
            category="Scores",
            labels={"file": "comparisons.csv"},
            caption="../report/comparisons.rst",
        ),
        false_positives=report(
            f"{RESULTS}/false_positives.csv",
            category="Scores",
            labels={"file": "false_positives.csv"},
            caption="../report/false_positives.rst",
        ),
    log:
        f"{RESULTS}/logs/compare_runs.log",
    resources:
        mem_mb=memory(2000),
        runtime=limit("compare_runs"),
    params:
        flags=flags(study.evaluation),
        names=quoted(*RUNS),
    shell:
        "chexseg compare-runs --overlaps {input.overlaps:q} --names {params.names}"
        " --out {output.summary:q} --comparisons {output.comparisons:q}"
        " --false-positives {output.false_positives:q} {params.flags} > {log:q} 2>&1"


rule draw_figures:
    input:
        index=rules.build_index.output,
        images=PATHS.store("images"),
        truth=TEST_MASKS[:1],
        summary=rules.compare_runs.output.summary,
        predictions=expand(rules.predict_masks.output, segmenter=study.segmenters),
        overlaps=expand(rules.evaluate.output.overlaps, run=study.segmenters),
        metrics=[f"{RESULTS}/{training}/metrics.csv" for training in TRAININGS],
        saliency=[
            path
            for name in [*study.saliency][:1]
            for path in PATHS.store(f"saliency/{name}")
        ],
        masks=[path for name in MADE_MASKS for path in PATHS.store(f"masks/{name}")],
    output:
        gallery=report(
            f"{RESULTS}/figures/gallery.png",
            category="Gallery",
            labels={"figure": "what each method sees"},
            caption="../report/gallery.rst",
        ),
        bars=report(
            f"{RESULTS}/figures/scores.png",
            category="Scores",
            labels={"file": "scores, as bars"},
            caption="../report/scores.rst",
        ),
        curves=report(
            f"{RESULTS}/figures/training.png",
            category="Training",
            labels={"figure": "training curves"},
            caption="../report/training.rst",
        ),
        table=report(
            f"{RESULTS}/figures/scores.html",
            category="Scores",
            labels={"file": "scores, as a table"},
            caption="../report/table.rst",
        ),
    log:
        f"{RESULTS}/logs/draw_figures.log",
    resources:
        mem_mb=memory(4000),
        runtime=limit("draw_figures"),
    params:
        flags=flags(study.figures),
        runs=quoted(*study.segmenters),
        trainings=quoted(*TRAININGS),
        mask_names=quoted(*[name for name in MADE_MASKS for _ in PATHS.shards]),
    shell:
        "chexseg draw-figures --index {input.index:q}"
        " --images {input.images:q} --truth {input.truth:q} --summary {input.summary:q}"
        " --runs {params.runs} --predictions {input.predictions:q} --overlaps {input.overlaps:q}"
        " --trainings {params.trainings} --metrics {input.metrics:q}"
        " --saliency {input.saliency:q} --mask-names {params.mask_names} --masks {input.masks:q}"
        " --gallery-out {output.gallery:q} --bars-out {output.bars:q}"
        " --curves-out {output.curves:q} --table-out {output.table:q} {params.flags}"
        " > {log:q} 2>&1"


rule draw_lineage:
    input:
        rules.compare_runs.output.summary,
    output:
        report(
            f"{RESULTS}/figures/lineage.png",
            category="Lineage",
            labels={"figure": "from X-rays to scores"},
            caption="../report/lineage.rst",
        ),
    log:
        f"{RESULTS}/logs/draw_lineage.log",
    resources:
        mem_mb=memory(1000),
        runtime=limit("draw_lineage"),
    shell:
        "chexseg draw-lineage --artifact {input:q} --out {output:q} > {log:q} 2>&1"
