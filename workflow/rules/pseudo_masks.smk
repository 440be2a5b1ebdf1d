# Needs saliency maps; makes pseudo masks by threshold, or by an IRNet and a random walk.


rule threshold_saliency:
    input:
        index=rules.build_index.output,
        images=f"{RESULTS}/images/{{shard}}.h5",
        saliency=saliency_shard,
    output:
        f"{RESULTS}/pseudo_masks/{{masks}}/masks/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/threshold_saliency/{{masks}}/{{shard}}.log",
    wildcard_constraints:
        masks=one_of(THRESHOLD_MASKS),
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=limit("threshold_saliency"),
    params:
        flags=lambda wildcards: flags(
            study.pseudo_masks[wildcards.masks], without=("method", "saliency")
        ),
    shell:
        "chexseg threshold-saliency --index {input.index:q} --images {input.images:q}"
        " --saliency {input.saliency:q} --out {output:q} {params.flags} > {log:q} 2>&1"


rule label_affinity:
    input:
        index=rules.build_index.output,
        images=f"{RESULTS}/images/{{shard}}.h5",
        saliency=saliency_shard,
    output:
        f"{RESULTS}/pseudo_masks/{{masks}}/affinity_labels/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/label_affinity/{{masks}}/{{shard}}.log",
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=limit("label_affinity"),
        gpu=1,
    params:
        flags=lambda wildcards: flags(study.pseudo_masks[wildcards.masks].labels),
    shell:
        "chexseg label-affinity --index {input.index:q} --images {input.images:q}"
        " --saliency {input.saliency:q} --out {output:q} {params.flags}"
        " --threads {threads} > {log:q} 2>&1"


rule train_irnet:
    input:
        images=shards("images"),
        labels=lambda wildcards: shards(
            f"pseudo_masks/{wildcards.masks}/affinity_labels"
        ),
        weights=lambda wildcards: initial_weights(
            study.pseudo_masks[wildcards.masks].backbone,
            study.pseudo_masks[wildcards.masks].backbone_architecture,
        ),
    output:
        checkpoint=f"{RESULTS}/pseudo_masks/{{masks}}/irnet.pt",
        metrics=f"{RESULTS}/pseudo_masks/{{masks}}/metrics.csv",
    log:
        f"{RESULTS}/logs/train_irnet/{{masks}}.log",
    wildcard_constraints:
        masks=one_of(IRNET_MASKS),
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=memory(16_000),
        runtime=1440,  # a longer training goes on in its next attempt
        gpu=1,
    params:
        state=f"{RESULTS}/.state/train_irnet/{{masks}}.pt",
        execution=execution,
        flags=lambda wildcards: flags(study.pseudo_masks[wildcards.masks].training),
        backbone=lambda wildcards: quoted(
            "--backbone-architecture",
            study.pseudo_masks[wildcards.masks].backbone_architecture,
            "--backbone",
            study.pseudo_masks[wildcards.masks].backbone,
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
        f"{RESULTS}/pseudo_masks/{{masks}}/affinity/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/compute_affinity/{{masks}}/{{shard}}.log",
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=limit("compute_affinity"),
        gpu=1,
    params:
        flags=lambda wildcards: flags(study.pseudo_masks[wildcards.masks].affinity),
    shell:
        "chexseg compute-affinity --images {input.images:q} --irnet {input.irnet:q}"
        " --out {output:q} {params.flags} --threads {threads} > {log:q} 2>&1"


rule walk_saliency:
    input:
        index=rules.build_index.output,
        images=f"{RESULTS}/images/{{shard}}.h5",
        saliency=saliency_shard,
        affinity=rules.compute_affinity.output,
    output:
        f"{RESULTS}/pseudo_masks/{{masks}}/masks/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/walk_saliency/{{masks}}/{{shard}}.log",
    wildcard_constraints:
        masks=one_of(IRNET_MASKS),
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=limit("walk_saliency"),
        gpu=1,
    params:
        flags=lambda wildcards: flags(study.pseudo_masks[wildcards.masks].walk),
    shell:
        "chexseg walk-saliency --index {input.index:q} --images {input.images:q}"
        " --saliency {input.saliency:q} --affinity {input.affinity:q} --out {output:q}"
        " {params.flags} --threads {threads} > {log:q} 2>&1"
