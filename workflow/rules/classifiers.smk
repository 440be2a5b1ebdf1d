# REQUIRED INPUTS: the index and the image store.
# OUTPUTS: classifiers/<name>/: a checkpoint, and the metrics of every epoch; ImageNet weights.


# Runs on the head node, since other nodes may have no internet. All studies here share the file.
rule fetch_weights:
    output:
        "weights/imagenet/{architecture}.pt",
    log:
        "weights/imagenet/{architecture}.log",
    wildcard_constraints:
        architecture=r"\w+",
    localrule: True
    shell:
        "chexseg fetch-weights --architecture {wildcards.architecture:q} --out {output:q}"
        " > {log:q} 2>&1"


TRAININGS += [f"classifiers/{name}" for name in study.classifiers]


rule train_classifier:
    input:
        index=rules.build_index.output,
        images=PATHS.store("images"),
        weights=lambda wildcards: PATHS.weights(
            study.classifiers[wildcards.classifier].initial_weights,
            study.classifiers[wildcards.classifier].architecture,
        ),
    output:
        checkpoint=f"{RESULTS}/classifiers/{{classifier}}/checkpoint.pt",
        metrics=f"{RESULTS}/classifiers/{{classifier}}/metrics.csv",
    log:
        f"{RESULTS}/logs/train_classifier/{{classifier}}.log",
    resources:
        mem_mb=memory(16_000),
        runtime=1440,  # a longer training resumes in its next attempt
        gpu=1,
    params:
        state=f"{RESULTS}/.state/train_classifier/{{classifier}}.pt",
        execution=execution,
        flags=lambda wildcards: flags(study.classifiers[wildcards.classifier]),
    shell:
        "chexseg train-classifier --index {input.index:q} --images {input.images:q}"
        " --weights {input.weights:q} --out {output.checkpoint:q} --metrics {output.metrics:q} {params.flags}"
        " --state {params.state:q} {params.execution} > {log:q} 2>&1"
