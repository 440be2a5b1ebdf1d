# REQUIRED INPUTS: classifiers, the image store, and the inputs of each method.
# OUTPUTS: saliency/<name>/<shard>.h5.


rule compute_saliency:
    input:
        unpack(files_of_method),
        images=f"{RESULTS}/images/{{shard}}.h5",
        classifiers=lambda wildcards: [
            PATHS.checkpoint("classifiers", name)
            for name in study.saliency[wildcards.saliency].classifiers
        ],
    output:
        f"{RESULTS}/saliency/{{saliency}}/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/compute_saliency/{{saliency}}/{{shard}}.log",
    resources:
        mem_mb=memory(8000),
        runtime=limit("compute_saliency"),
        gpu=1,
    params:
        method=lambda wildcards: study.saliency[wildcards.saliency].method,
        files=lambda wildcards: flags_of_files(files_of_method(wildcards)),
        flags=lambda wildcards: flags(study.saliency[wildcards.saliency].settings()),
        classes=lambda wildcards: quoted(
            *study.saliency[wildcards.saliency].classes_of(study)
        ),
    shell:
        "chexseg compute-saliency --method {params.method:q} --images {input.images:q} --classifiers {input.classifiers:q}"
        " {params.files} --out {output:q} {params.flags} --classes {params.classes}"
        " --threads {threads} > {log:q} 2>&1"
