# REQUIRED INPUTS: tables, X-rays and masks of the data, or a section `phantom` in the config.
# OUTPUTS: the data report, the index and the image store; boxes/, for data that have boxes.

from chexseg.data.phantom.files import PHANTOM_ANATOMY, PHANTOM_FILES

if study.phantom:

    rule make_phantom:
        output:
            *[
                f"{DATA}/{name}"
                for name in PHANTOM_ANATOMY[study.phantom.layout].values()
            ],
            **{
                role: [f"{DATA}/{name}" for name in names]
                for role, names in PHANTOM_FILES[study.phantom.layout].items()
                if names
            },
        log:
            f"{RESULTS}/logs/make_phantom.log",
        resources:
            mem_mb=memory(2000),
            runtime=limit("make_phantom"),
        params:
            flags=flags(study.phantom),
            root=lambda wildcards: DATA,
        shell:
            "chexseg make-phantom --out {params.root:q} {params.flags} > {log:q} 2>&1"


# The files of the data by role, and the flags that read them, shared by two rules.
RELEASE = study.data.files(DATA)
READ_RELEASE = " ".join(
    [
        quoted("--layout", study.data.layout, "--root", DATA),
        flags_of_files(RELEASE),
        quoted("--findings", *study.data.findings),
        quoted("--pathologies", *study.data.pathologies),
    ]
)


rule check_data:
    input:
        **RELEASE,
    output:
        report(
            f"{RESULTS}/data_report.txt",
            category="Data",
            labels={"file": "data report"},
            caption="../report/data.rst",
        ),
    log:
        f"{RESULTS}/logs/check_data.log",
    # No rule needs the report, since it affects no artifact, but it should be made early.
    priority: 100
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=limit("check_data"),
    params:
        release=READ_RELEASE,
    shell:
        "chexseg check-data {params.release} --out {output:q} --threads {threads} > {log:q} 2>&1"


rule build_index:
    input:
        **RELEASE,
    output:
        f"{RESULTS}/index.csv",
    log:
        f"{RESULTS}/logs/build_index.log",
    resources:
        mem_mb=memory(4000),
        runtime=limit("build_index"),
    params:
        release=READ_RELEASE,
        flags=flags(study.data.index, without=study.data.unused_of_index()),
    shell:
        "chexseg build-index {params.release} --out {output:q} {params.flags} > {log:q} 2>&1"


rule store_images:
    input:
        index=rules.build_index.output,
    output:
        f"{RESULTS}/images/{{shard}}.h5",
    log:
        f"{RESULTS}/logs/store_images/{{shard}}.log",
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


rule list_boxes:
    input:
        **RELEASE,
        index=rules.build_index.output,
    output:
        boxes=PATHS.boxes,
        test_masks=PATHS.test_boxes,
        agreement=report(
            f"{RESULTS}/reader_agreement.csv",
            category="Data",
            labels={"file": "reader_agreement.csv"},
            caption="../report/reader_agreement.rst",
        ),
    log:
        f"{RESULTS}/logs/list_boxes.log",
    resources:
        mem_mb=memory(4000),
        runtime=limit("list_boxes"),
    params:
        release=READ_RELEASE,
    shell:
        "chexseg list-boxes {params.release} --index {input.index:q} --out {output.boxes:q}"
        " --agreement {output.agreement:q} --test-masks {output.test_masks:q} > {log:q} 2>&1"
