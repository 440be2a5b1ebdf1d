# CheXseg: from X-rays, labels and a few expert masks to a scored table.
# One config file is one study, and one folder: results/<study>/.

import os

from snakemake.utils import min_version

min_version("9.27")  # see chexseg.scheduling.snakemake_questions


# The image of all jobs; used only with `--software-deployment-method apptainer`.
container: os.environ.get("CHEXSEG_CONTAINER", "envs/chexseg.sif")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/classifiers.smk"
include: "workflow/rules/saliency.smk"
include: "workflow/rules/masks.smk"
include: "workflow/rules/irnet.smk"
include: "workflow/rules/segmenters.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        rules.check_data.output,
        [f"{RESULTS}/{training}/metrics.csv" for training in TRAININGS],
        [
            PATHS.kept(name, epoch)
            for name, entry in study.segmenters.items()
            for epoch in entry.keep_epochs
        ],
        [path for name in study.saliency for path in PATHS.store(f"saliency/{name}")],
        [path for name in NAMED_MASKS for path in PATHS.store(f"masks/{name}")],
        rules.list_agreement.output if VOTED_MASKS else [],
        rules.score_masks.output
        if (SCORED_MASKS or SCORED_MAPS) and PATHS.own_masks()
        else [],
        [
            rules.list_runs.output,
            rules.list_trainings.output,
            rules.score_runs.output,
            rules.average_seeds.output,
            rules.compare_runs.output,
            [f"{RESULTS}/figures/{file}" for file in FIGURE_FILES],
        ]
        if SCORED
        else [],


if workflow.modifier.is_main_snakefile():  # as a module, not all rules are known yet
    check_rule_names(rule.name for rule in workflow.rules)
