# CheXseg: from X-rays, labels and a few expert masks to a scored table.
# One config file is one study, and one folder: results/<study>/.

from snakemake.utils import min_version

min_version("9.27")  # chexseg.scheduling.reruns takes the place of its memory


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/classifiers.smk"
include: "workflow/rules/saliency.smk"
include: "workflow/rules/pseudo_masks.smk"
include: "workflow/rules/segmenters.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        rules.check_data.output,
        # A study without segmenters ends with its pseudo masks.
        (
            [
                rules.score_runs.output,
                rules.compare_runs.output,
                *[f"{RESULTS}/figures/{figure}" for figure in FIGURES],
            ]
            if study.segmenters
            else [
                *[f"{RESULTS}/{training}/metrics.csv" for training in TRAININGS],
                *[p for name in study.saliency for p in shards(f"saliency/{name}")],
                *[
                    p
                    for n in study.pseudo_masks
                    for p in shards(f"pseudo_masks/{n}/masks")
                ],
            ]
        ),


check_rule_names(rule.name for rule in workflow.rules)
