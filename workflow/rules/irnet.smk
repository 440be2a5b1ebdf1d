# REQUIRED INPUTS: the index, the image store, and the saliency store of each `source: irnet`.
# OUTPUTS: affinity/<masks>/: labels, an IRNet, and its edge maps, which masks.smk uses. Entries
# that differ only in what is done with edge maps share those of one of them.


IRNETS = [
    name
    for name, entry in study.masks.items()
    if entry.source == "irnet" and PATHS.owners[name] == name
]
TRAININGS += [f"affinity/{name}" for name in IRNETS]


rule label_affinity:
    input:
        index=rules.build_index.output,
        images=f"{RESULTS}/images/{{shard}}.h5",
        saliency=lambda wildcards: PATHS.shard(
            f"saliency/{study.masks[wildcards.masks].saliency}", wildcards.shard
        ),
    output:
        f"{RESULTS}/affinity/{{masks}}/labels/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/label_affinity/{{masks}}/{{shard}}.log",
    wildcard_constraints:
        masks=one_of(IRNETS),
    resources:
        mem_mb=memory(8000),
        runtime=limit("label_affinity"),
        gpu=1,
    params:
        train_images=train_images_of_source,
        flags=lambda wildcards: flags(study.masks[wildcards.masks].labels),
    shell:
        "chexseg label-affinity --index {input.index:q} --images {input.images:q}"
        " --saliency {input.saliency:q} --out {output:q} {params.train_images} {params.flags}"
        " --threads {threads} > {log:q} 2>&1"


rule train_irnet:
    input:
        images=PATHS.store("images"),
        labels=lambda wildcards: PATHS.store(f"affinity/{wildcards.masks}/labels"),
        weights=lambda wildcards: PATHS.weights(
            study.masks[wildcards.masks].backbone,
            study.masks[wildcards.masks].backbone_architecture,
        ),
    output:
        checkpoint=f"{RESULTS}/affinity/{{masks}}/irnet.pt",
        metrics=f"{RESULTS}/affinity/{{masks}}/metrics.csv",
    log:
        f"{RESULTS}/logs/train_irnet/{{masks}}.log",
    wildcard_constraints:
        masks=one_of(IRNETS),
    resources:
        mem_mb=memory(16_000),
        runtime=1440,  # a longer training resumes in its next attempt
        gpu=1,
    params:
        state=f"{RESULTS}/.state/train_irnet/{{masks}}.pt",
        execution=execution,
        flags=lambda wildcards: flags(study.masks[wildcards.masks].training),
        backbone=lambda wildcards: quoted(
            "--backbone-architecture",
            study.masks[wildcards.masks].backbone_architecture,
            "--backbone",
            study.masks[wildcards.masks].backbone,
        ),
    shell:
        "chexseg train-irnet --images {input.images:q} --labels {input.labels:q}"
        " --weights {input.weights:q} --out {output.checkpoint:q} --metrics {output.metrics:q}"
        " {params.backbone} {params.flags} --state {params.state:q} {params.execution} > {log:q} 2>&1"


rule compute_affinity:
    input:
        images=f"{RESULTS}/images/{{shard}}.h5",
        irnet=rules.train_irnet.output.checkpoint,
    output:
        f"{RESULTS}/affinity/{{masks}}/edges/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/compute_affinity/{{masks}}/{{shard}}.log",
    wildcard_constraints:
        masks=one_of(IRNETS),
    resources:
        mem_mb=memory(8000),
        runtime=limit("compute_affinity"),
        gpu=1,
    params:
        flags=lambda wildcards: flags(study.masks[wildcards.masks].affinity),
    shell:
        "chexseg compute-affinity --images {input.images:q} --irnet {input.irnet:q}"
        " --out {output:q} {params.flags} --threads {threads} > {log:q} 2>&1"
