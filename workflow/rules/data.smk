# Needs the data's tables, X-rays and masks (or a phantom section in the config);
# makes the index, the image store and the store of expert masks.


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
            mem_mb=2000,
            runtime=60,
        params:
            flags=flags(study.phantom),
            root=lambda wildcards: DATA,
        shell:
            "chexseg make-phantom --out {params.root:q} {params.flags} > {log:q} 2>&1"


rule build_index:
    input:
        train_csv=data("train_csv"),
        val_csv=data("val_csv"),
        test_csv=data("test_csv"),
        val_masks=data("val_masks"),
        test_masks=data("test_masks"),
        radiologist_masks=[data("radiologist_masks")] if HUMAN_RUNS else [],
    output:
        f"{RESULTS}/index.csv",
    log:
        f"{RESULTS}/logs/build_index.log",
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
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
        mem_mb=2000,
        runtime=240,
    params:
        root=lambda wildcards: DATA,
        flags=flags(study.data.images),
    shell:
        "chexseg store-images --index {input.index:q} --root {params.root:q}"
        " --shard $((10#{wildcards.shard})) --out {output:q} {params.flags}"
        " --threads {threads} > {log:q} 2>&1"


rule store_masks:
    input:
        index=rules.build_index.output,
        masks=data("val_masks"),
    output:
        f"{RESULTS}/expert_masks.h5",
    log:
        f"{RESULTS}/logs/store_masks.log",
    conda:
        "../../envs/chexseg.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        flags=flags(study.data.images),
        pathologies=quoted(*PATHOLOGIES),
    shell:
        "chexseg store-masks --index {input.index:q}"
        " --masks {input.masks:q} --out {output:q} {params.flags}"
        " --pathologies {params.pathologies} > {log:q} 2>&1"
