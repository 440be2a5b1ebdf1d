# Needs expert masks, pseudo masks, or both; makes segmenters, and their masks of the test set.


rule train_segmenter:
    input:
        index=rules.build_index.output,
        images=shards("images"),
        expert_masks=rules.store_masks.output,
        pseudo_masks=lambda wildcards: [
            shard
            for name in study.segmenters[wildcards.segmenter].masks
            if name != EXPERT
            for shard in shards(f"pseudo_masks/{name}/masks")
        ],
        weights=lambda wildcards: initial_weights(
            study.segmenters[wildcards.segmenter].initial_weights,
            study.segmenters[wildcards.segmenter].encoder,
        ),
    output:
        checkpoint=f"{RESULTS}/segmenters/{{segmenter}}/checkpoint.pt",
        metrics=f"{RESULTS}/segmenters/{{segmenter}}/metrics.csv",
    log:
        f"{RESULTS}/logs/train_segmenter/{{segmenter}}.log",
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=memory(16_000),
        runtime=1440,  # a longer training goes on in its next attempt
        gpu=1,
    params:
        state=f"{RESULTS}/.state/train_segmenter/{{segmenter}}.pt",
        execution=execution,
        flags=lambda wildcards: flags(
            study.segmenters[wildcards.segmenter], without=("masks",)
        ),
        expert=lambda wildcards: EXPERT in study.segmenters[wildcards.segmenter].masks,
    shell:
        "chexseg train-segmenter --index {input.index:q} --images {input.images:q}"
        " --expert-masks {input.expert_masks:q} --expert {params.expert}"
        " --pseudo-masks {input.pseudo_masks:q} --weights {input.weights:q}"
        " --out {output.checkpoint:q} --metrics {output.metrics:q} {params.flags}"
        " --state {params.state:q} {params.execution} > {log:q} 2>&1"


rule predict_masks:
    input:
        index=rules.build_index.output,
        images=shards("images"),
        checkpoint=rules.train_segmenter.output.checkpoint,
    output:
        f"{RESULTS}/predictions/{{segmenter}}.json",
    log:
        f"{RESULTS}/logs/predict_masks/{{segmenter}}.log",
    conda:
        "../../envs/chexseg.yaml"
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
