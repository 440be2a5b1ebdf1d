# Needs the data's tables, X-rays and masks (or a phantom section in the config);
# checks them, and makes the index, the image store and the store of expert masks.


if study.phantom:

    rule make_phantom:
        output:
            train_csv=data("train_csv"),
            val_csv=data("val_csv"),
            test_csv=data("test_csv"),
            val_masks=data("val_masks"),
            test_masks=data("test_masks"),
            radiologist_masks=f"{DATA}/CheXlocalize/hb_segmentations_test.json",
        log:
            f"{RESULTS}/logs/make_phantom.log",
        conda:
            "../../envs/chexseg.yaml"
        resources:
            mem_mb=memory(2000),
            runtime=limit("make_phantom"),
        params:
            flags=flags(study.phantom),
            root=lambda wildcards: DATA,
        shell:
            "chexseg make-phantom --out {params.root:q} {params.flags} > {log:q} 2>&1"


RELEASE = dict(
    train_csv=data("train_csv"),
    val_csv=data("val_csv"),
    test_csv=data("test_csv"),
    val_masks=data("val_masks"),
    test_masks=data("test_masks"),
    radiologist_masks=[data("radiologist_masks")] if HUMAN_RUNS else [],
)


rule check_data:
    input:
        **RELEASE,
    output:
        report(
            f"{RESULTS}/data_report.txt",
            category="Data",
            labels={"file": "what the data hold"},
            caption="../report/data.rst",
        ),
    log:
        f"{RESULTS}/logs/check_data.log",
    # No rule needs the report, since it changes no artifact; yet it is among the first to start.
    priority: 100
    conda:
        "../../envs/chexseg.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=limit("check_data"),
    params:
        root=lambda wildcards: DATA,
        pathologies=quoted(*PATHOLOGIES),
    shell:
        "chexseg check-data --root {params.root:q}"
        " --train-csv {input.train_csv:q} --val-csv {input.val_csv:q}"
        " --test-csv {input.test_csv:q} --val-masks {input.val_masks:q}"
        " --test-masks {input.test_masks:q} --radiologist-masks {input.radiologist_masks:q}"
        " --out {output:q} --pathologies {params.pathologies}"
        " --threads {threads} > {log:q} 2>&1"


rule build_index:
    input:
        **RELEASE,
    output:
        f"{RESULTS}/index.csv",
    log:
        f"{RESULTS}/logs/build_index.log",
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=limit("build_index"),
    params:
        root=lambda wildcards: DATA,
        flags=flags(study.data.index),
        pathologies=quoted(*PATHOLOGIES),
    shell:
        "chexseg build-index --root {params.root:q}"
        " --train-csv {input.train_csv:q} --val-csv {input.val_csv:q}"
        " --test-csv {input.test_csv:q} --val-masks {input.val_masks:q}"
        " --test-masks {input.test_masks:q} --radiologist-masks {input.radiologist_masks:q}"
        " --out {output:q} {params.flags}"
        " --pathologies {params.pathologies} > {log:q} 2>&1"


rule store_images:
    input:
        index=rules.build_index.output,
    output:
        f"{RESULTS}/images/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/store_images/{{shard}}.log",
    conda:
        "../../envs/chexseg.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=limit("store_images"),
    params:
        root=lambda wildcards: DATA,
        flags=flags(study.data.images),
    shell:
        "chexseg store-images --index {input.index:q} --root {params.root:q}"
        " --shard {wildcards.shard} --out {output:q} {params.flags}"
        " --threads {threads} > {log:q} 2>&1"
