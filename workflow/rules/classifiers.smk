# Needs the index and the image store; makes a checkpoint and the figures of every epoch.


rule train_classifier:
    input:
        index=rules.build_index.output,
        images=shards("images"),
        weights=lambda wildcards: initial_weights(
            study.classifiers[wildcards.classifier].initial_weights
        ),
    output:
        checkpoint=f"{RESULTS}/classifiers/{{classifier}}/checkpoint.pt",
        metrics=f"{RESULTS}/classifiers/{{classifier}}/metrics.csv",
    log:
        f"{RESULTS}/logs/train_classifier/{{classifier}}.log",
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=8000,
        runtime=1440,
        gpu=1,
    params:
        flags=lambda wildcards: flags(study.classifiers[wildcards.classifier]),
    shell:
        "chexseg train-classifier --index {input.index:q} --images {input.images:q}"
        " --weights {input.weights:q} --out {output.checkpoint:q} --metrics {output.metrics:q} {params.flags}"
        " --threads {threads} > {log:q} 2>&1"
