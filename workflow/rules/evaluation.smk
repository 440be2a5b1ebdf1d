# REQUIRED INPUTS: predictions and expert masks of the test set; segmenters, for metrics of
# probabilities.
# OUTPUTS: tables of runs and trainings, scores of all runs and of all seeds, comparisons, their power.


rule count_overlaps:
    input:
        index=rules.build_index.output,
        truth=TEST_MASKS[:1],
        prediction=predictions_of_run,
    output:
        f"{RESULTS}/overlaps/{{run}}.csv",
    log:
        f"{RESULTS}/logs/count_overlaps/{{run}}.log",
    resources:
        mem_mb=memory(4000),
        runtime=limit("count_overlaps"),
    params:
        pathologies=quoted(*PATHOLOGIES),
    shell:
        "chexseg count-overlaps --index {input.index:q} --truth {input.truth:q}"
        " --prediction {input.prediction:q} --out {output:q}"
        " --pathologies {params.pathologies} > {log:q} 2>&1"


rule compute_histograms:
    input:
        index=rules.build_index.output,
        images=PATHS.store("images"),
        truth=TEST_MASKS[:1],
        checkpoint=rules.train_segmenter.output.checkpoint,
    output:
        f"{RESULTS}/histograms/{{segmenter}}.h5",
    log:
        f"{RESULTS}/logs/compute_histograms/{{segmenter}}.log",
    resources:
        mem_mb=memory(8000),
        runtime=limit("compute_histograms"),
        gpu=1,
    params:
        pathologies=quoted(*PATHOLOGIES),
        flags=flags(study.prediction),
    shell:
        "chexseg compute-histograms --index {input.index:q} --images {input.images:q}"
        " --truth {input.truth:q} --checkpoint {input.checkpoint:q} --out {output:q}"
        " --pathologies {params.pathologies} {params.flags} --threads {threads} > {log:q} 2>&1"


FACTORS, ROWS = table_of_runs(study)


rule list_runs:
    output:
        report(
            f"{RESULTS}/runs.csv",
            category="Scores",
            labels={"file": "runs.csv"},
            caption="../report/runs.rst",
        ),
    log:
        f"{RESULTS}/logs/list_runs.log",
    resources:
        mem_mb=memory(1000),
        runtime=limit("list_runs"),
    params:
        columns=quoted(*FACTORS),
        rows=quoted(*ROWS),
    shell:
        "chexseg list-runs --columns {params.columns} --rows {params.rows} --out {output:q}"
        " > {log:q} 2>&1"


rule list_trainings:
    input:
        [f"{RESULTS}/{training}/metrics.csv" for training in TRAININGS],
    output:
        report(
            f"{RESULTS}/trainings.csv",
            category="Training",
            labels={"file": "trainings.csv"},
            caption="../report/trainings.rst",
        ),
    log:
        f"{RESULTS}/logs/list_trainings.log",
    resources:
        mem_mb=memory(1000),
        runtime=limit("list_trainings"),
    params:
        names=quoted(*TRAININGS),
    shell:
        "chexseg list-trainings --metrics {input:q} --names {params.names} --out {output:q}"
        " > {log:q} 2>&1"


rule score_runs:
    input:
        overlaps=expand(rules.count_overlaps.output, run=RUNS),
        histograms=expand(rules.compute_histograms.output, segmenter=WITH_HISTOGRAMS),
    output:
        summary=report(
            f"{RESULTS}/summary.csv",
            category="Scores",
            labels={"file": "summary.csv"},
            caption="../report/summary.rst",
        ),
        replicates=f"{RESULTS}/replicates.npz",
        false_positives=report(
            f"{RESULTS}/false_positives.csv",
            category="Scores",
            labels={"file": "false_positives.csv"},
            caption="../report/false_positives.rst",
        ),
    log:
        f"{RESULTS}/logs/score_runs.log",
    resources:
        mem_mb=memory(2000),
        runtime=limit("score_runs"),
    params:
        flags=flags(study.evaluation),
        names=quoted(*RUNS),
        histogram_names=quoted(*WITH_HISTOGRAMS),
    shell:
        "chexseg score-runs --overlaps {input.overlaps:q} --names {params.names}"
        " --histograms {input.histograms:q} --histogram-names {params.histogram_names}"
        " --out {output.summary:q} --replicates-out {output.replicates:q}"
        " --false-positives {output.false_positives:q} {params.flags} > {log:q} 2>&1"


rule average_seeds:
    input:
        replicates=rules.score_runs.output.replicates,
    output:
        report(
            f"{RESULTS}/averages.csv",
            category="Scores",
            labels={"file": "averages.csv"},
            caption="../report/averages.rst",
        ),
    log:
        f"{RESULTS}/logs/average_seeds.log",
    resources:
        mem_mb=memory(2000),
        runtime=limit("average_seeds"),
    params:
        runs=quoted(*[SEPARATOR.join(runs) for runs in groups_of_seeds(study).values()]),
    shell:
        "chexseg average-seeds --replicates {input.replicates:q} --runs {params.runs}"
        " --out {output:q} > {log:q} 2>&1"


CONTRASTS = contrasts_of(study)


rule compare_runs:
    input:
        replicates=rules.score_runs.output.replicates,
    output:
        comparisons=report(
            f"{RESULTS}/comparisons.csv",
            category="Scores",
            labels={"file": "comparisons.csv"},
            caption="../report/comparisons.rst",
        ),
        power=report(
            f"{RESULTS}/power.csv",
            category="Scores",
            labels={"file": "power.csv"},
            caption="../report/power.rst",
        ),
    log:
        f"{RESULTS}/logs/compare_runs.log",
    resources:
        mem_mb=memory(2000),
        runtime=limit("compare_runs"),
    params:
        contrasts=quoted(*CONTRASTS),
        runs=quoted(*[SEPARATOR.join(sides.run) for sides in CONTRASTS.values()]),
        against=quoted(*[SEPARATOR.join(sides.against) for sides in CONTRASTS.values()]),
    shell:
        "chexseg compare-runs --replicates {input.replicates:q}"
        " --out {output.comparisons:q} --power {output.power:q}"
        " --contrasts {params.contrasts} --runs {params.runs} --against {params.against}"
        " > {log:q} 2>&1"
