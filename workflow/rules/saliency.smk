# Needs classifiers and the image store; makes the saliency store, shard by shard.


rule compute_saliency:
    input:
        images=f"{RESULTS}/images/{{shard}}.h5",
        classifiers=lambda wildcards: [
            f"{RESULTS}/classifiers/{name}/checkpoint.pt"
            for name in study.saliency[wildcards.saliency].classifiers
        ],
    output:
        f"{RESULTS}/saliency/{{saliency}}/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/compute_saliency/{{saliency}}/{{shard}}.log",
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=limit("compute_saliency"),
        gpu=1,
    params:
        flags=lambda wildcards: flags(
            study.saliency[wildcards.saliency], without=("classifiers",)
        ),
        pathologies=quoted(*PATHOLOGIES),
    shell:
        "chexseg compute-saliency --images {input.images:q} --classifiers {input.classifiers:q}"
        " --out {output:q} {params.flags} --pathologies {params.pathologies}"
        " --threads {threads} > {log:q} 2>&1"
