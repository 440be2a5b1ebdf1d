# REQUIRED INPUTS: the index, the image store, and the masks that each segmenter uses.
# OUTPUTS: segmenters/<name>/, and predictions/<name>.json: its masks of the test X-rays.


TRAININGS += [f"segmenters/{name}" for name in study.segmenters]


rule train_segmenter:
    input:
        index=rules.build_index.output,
        images=PATHS.store("images"),
        truth=lambda wildcards: PATHS.store(
            f"masks/{study.segmenters[wildcards.segmenter].validation}"
        ),
        masks=masks_of_segmenter,
        weights=lambda wildcards: PATHS.weights(
            study.segmenters[wildcards.segmenter].initial_weights,
            study.segmenters[wildcards.segmenter].encoder,
        ),
    output:
        checkpoint=f"{RESULTS}/segmenters/{{segmenter}}/checkpoint.pt",
        metrics=f"{RESULTS}/segmenters/{{segmenter}}/metrics.csv",
    log:
        f"{RESULTS}/logs/train_segmenter/{{segmenter}}.log",
    resources:
        mem_mb=memory(16_000),
        runtime=1440,  # a longer training resumes in its next attempt
        gpu=1,
    params:
        state=f"{RESULTS}/.state/train_segmenter/{{segmenter}}.pt",
        execution=execution,
        mixture=mixture_of_segmenter,
        flags=lambda wildcards: flags(
            study.segmenters[wildcards.segmenter], without=("scored",)
        ),
    shell:
        "chexseg train-segmenter --index {input.index:q} --images {input.images:q}"
        " --truth {input.truth:q} --masks {input.masks:q} {params.mixture}"
        " --weights {input.weights:q}"
        " --out {output.checkpoint:q} --metrics {output.metrics:q} {params.flags}"
        " --state {params.state:q} {params.execution} > {log:q} 2>&1"


rule predict_masks:
    input:
        index=rules.build_index.output,
        images=PATHS.store("images"),
        checkpoint=rules.train_segmenter.output.checkpoint,
    output:
        f"{RESULTS}/predictions/{{segmenter}}.json",
    log:
        f"{RESULTS}/logs/predict_masks/{{segmenter}}.log",
    resources:
        mem_mb=memory(8000),
        runtime=limit("predict_masks"),
        gpu=1,
    params:
        flags=flags(study.prediction),
    shell:
        "chexseg predict-masks --index {input.index:q}"
        " --images {input.images:q} --checkpoint {input.checkpoint:q} --out {output:q}"
        " {params.flags} --threads {threads} > {log:q} 2>&1"
