"""A study whose classifiers agree on masks of all findings, which train a segmenter to start from."""

import copy

import pandas as pd
import pytest

from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tiny")]

SHORT = {"initial_weights": "none", "epochs": 1}
MAPS = {"classifiers": ["one"], "classes": [*FINDINGS]}
CONFIG = {
    "study": "voted",
    "phantom": {"train_images": 24, "val_images": 12, "test_images": 6, "longest_side": 64},
    "data": {"images": {"image_size": 32}, "index": {"expert_fraction": 0.5}},
    "evaluation": {"replicates": 20},
    "classifiers": {"one": {"architecture": "densenet_small", "stride": 4} | SHORT},
    "saliency": {
        "cam": {"method": "gradcam"} | MAPS,
        "layer": {"method": "layercam", "layer": 3} | MAPS,
    },
    "masks": {
        "doll": {
            "source": "consensus",
            "saliency": ["cam", "layer"],
            "certain_background": "quantile 0.5",
            "threshold_of": {"Cardiomegaly": "quantile 0.8"},
            "least_agreement": 0.1,
        }
    },
    "segmenters": {
        "start": {"masks": ["doll"], "scored": False, "decoder_channels": 16} | SHORT,
        "full": {"masks": ["expert"], "decoder_channels": 16} | SHORT,
    },
}


def test_a_segmenter_of_all_findings_beside_those_that_are_scored(workflow):
    config = workflow.write(CONFIG)
    workflow.run(config, "--until", "list_agreement", "score_masks", "train_segmenter")
    results = workflow.folder / "results" / "voted"
    assert (results / "segmenters" / "start" / "checkpoint.pt").is_file()
    agreement = pd.read_csv(results / "mask_agreement.csv")
    assert {*agreement["voter"]} == {"cam", "layer", "mean"}
    assert tuple(agreement["pathology"].unique()) == FINDINGS
    assert agreement["agreement"].dropna().between(-1, 1).all()
    assert agreement["n_images"].sum() > 0
    quality = pd.read_csv(results / "mask_quality.csv")
    assert {*quality.loc[quality["masks"] == "doll", "pathology"]} == {*PATHOLOGIES, "mean"}
    left = workflow.jobs(config)
    assert left["predict_masks"] == 1  # of `full`
    assert "train_segmenter" not in left
    config = copy.deepcopy(CONFIG)
    del config["masks"]["doll"]["threshold_of"]
    rerun = workflow.jobs(workflow.write(config))
    assert {rule: n for rule, n in rerun.items() if left.get(rule) != n} == {
        "make_masks": 1, "list_agreement": 1, "score_masks": 1, "train_segmenter": 1,
    }  # fmt: skip
