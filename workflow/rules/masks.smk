# REQUIRED INPUTS: the index, the image store, and the inputs of each source of masks.
# OUTPUTS: masks/<name>/<shard>.h5, for every source; mask_quality.csv and map_quality.csv, which score
# them and the saliency maps; mask_agreement.csv: how far the voters of a consensus agree.


rule make_masks:
    input:
        unpack(files_of_source),
        index=rules.build_index.output,
        images=PATHS.shard("images", "{shard}"),
    output:
        PATHS.shard("masks/{masks}", "{shard}"),
    log:
        f"{RESULTS}/logs/make_masks/{{masks}}/{{shard}}.log",
    wildcard_constraints:
        masks=one_of(n for n, source in study.masks.items() if not source.gpu),
    resources:
        mem_mb=memory(8000),
        runtime=limit("make_masks"),
    params:
        files=lambda wildcards: flags_of_files(files_of_source(wildcards)),
        source=lambda wildcards: study.masks[wildcards.masks].source,
        train_images=train_images_of_source,
        flags=lambda wildcards: flags(study.masks[wildcards.masks].settings(study)),
    shell:
        "chexseg make-masks --source {params.source:q}"
        " --index {input.index:q} --images {input.images:q} {params.files}"
        " --out {output:q} {params.train_images} {params.flags} --threads {threads} > {log:q} 2>&1"


use rule make_masks as make_masks_on_gpu with:
    wildcard_constraints:
        masks=one_of(n for n, source in study.masks.items() if source.gpu),
    resources:
        mem_mb=memory(8000),
        runtime=limit("make_masks"),
        gpu=1,


rule list_agreement:
    input:
        [path for name in VOTED_MASKS for path in PATHS.store(f"masks/{name}")],
    output:
        report(
            f"{RESULTS}/mask_agreement.csv",
            category="Masks",
            labels={"file": "mask_agreement.csv"},
            caption="../report/mask_agreement.rst",
        ),
    log:
        f"{RESULTS}/logs/list_agreement.log",
    resources:
        mem_mb=memory(1000),
        runtime=limit("list_agreement"),
    params:
        names=quoted(*VOTED_MASKS),
        voters=quoted(*map(",".join, VOTED_MASKS.values())),
    shell:
        "chexseg list-agreement --masks {input:q} --names {params.names}"
        " --voters {params.voters} --out {output:q} > {log:q} 2>&1"


rule score_masks:
    input:
        index=rules.build_index.output,
        truth=PATHS.store(f"masks/{EXPERT}"),
        masks=[path for name in SCORED_MASKS for path in PATHS.store(f"masks/{name}")],
        maps=[path for name in SCORED_MAPS for path in PATHS.store(f"saliency/{name}")],
    output:
        masks=report(
            f"{RESULTS}/mask_quality.csv",
            category="Masks",
            labels={"file": "mask_quality.csv"},
            caption="../report/mask_quality.rst",
        ),
        maps=report(
            f"{RESULTS}/map_quality.csv",
            category="Masks",
            labels={"file": "map_quality.csv"},
            caption="../report/map_quality.rst",
        ),
    log:
        f"{RESULTS}/logs/score_masks.log",
    resources:
        mem_mb=memory(2000),
        runtime=limit("score_masks"),
    params:
        names=quoted(*SCORED_MASKS),
        splits=quoted(*map(",".join, SCORED_MASKS.values())),
        metrics=quoted("iou_dataset", "precision", "recall"),
        map_names=quoted(*SCORED_MAPS),
        map_metrics=quoted("hit_rate"),
        flags=flags_of_intervals,
    shell:
        "chexseg score-masks --index {input.index:q} --truth {input.truth:q}"
        " --masks {input.masks:q} --names {params.names} --splits {params.splits}"
        " --metrics {params.metrics} --out {output.masks:q}"
        " --maps {input.maps:q} --map-names {params.map_names} --map-metrics {params.map_metrics}"
        " --maps-out {output.maps:q} {params.flags} > {log:q} 2>&1"
