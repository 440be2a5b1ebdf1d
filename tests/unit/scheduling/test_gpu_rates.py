from pathlib import Path

import pytest

from chexseg.config.study import load_study
from chexseg.scheduling.cost import CostModel
from chexseg.scheduling.gpu_rates import NETWORKS, PIXELS, GPURates, gpu_rates
from chexseg.scheduling.x_rays import XRays

ROOT = Path(__file__).parents[3]
HEAD = "work,setting,gflops,cores,device\n"


def test_without_a_file_all_rates_are_assumed(tmp_path):
    rates = gpu_rates(tmp_path / "gpu.csv")
    assert rates.of_network("train-classifier") == 8000
    assert rates.of_pixels("make-masks") == 50
    assert rates.assumed == (*NETWORKS, *PIXELS)
    assert str(rates) == "GPU rates are assumed"


def test_what_the_stage_does_is_read_and_the_rest_is_assumed(tmp_path):
    path = tmp_path / "gpu.csv"
    path.write_text(
        HEAD
        + "train-classifier,as the stage,12000,,Some GPU\n"
        + 'train-classifier,"bf16, channels_last",50000,,Some GPU\n'
        + "label-affinity,as the stage,,80.5,Some GPU\n"
        + "compute-affinity,as the stage,90,,CPU (x86_64)\n"
    )
    rates = gpu_rates(path)
    assert rates == GPURates("Some GPU", {"train-classifier": 12000.0}, {"label-affinity": 80.5})
    assert str(rates) == (
        "GPU rates were measured on: Some GPU; assumed for compute-saliency, train-irnet, "
        "compute-affinity, train-segmenter, predict-masks, make-masks"
    )


def test_a_cpu_measures_no_gpu(tmp_path):
    path = tmp_path / "gpu.csv"
    path.write_text(HEAD + "train-classifier,as the stage,90,,CPU (x86_64)\n")
    assert gpu_rates(path) == GPURates()


@pytest.mark.parametrize(
    ("work", "cost"),
    [
        ("train-classifier", lambda model: model.train_classifier("densenet")),
        ("compute-saliency", lambda model: model.compute_saliency("gradcam", "0001")),
        ("train-irnet", lambda model: model.train_irnet("irnet")),
        ("compute-affinity", lambda model: model.compute_affinity("irnet", "0001")),
        ("label-affinity", lambda model: model.label_affinity("irnet", "0001")),
        ("make-masks", lambda model: model.make_masks("irnet", "0001")),
        ("train-segmenter", lambda model: model.train_segmenter("chexseg")),
        ("predict-masks", lambda model: model.predict_masks("chexseg")),
    ],
)
def test_a_rate_changes_the_time_of_its_work_only(work, cost):
    study, x_rays = load_study(ROOT / "config" / "chexpert.yaml"), XRays(15_280, 202, 518)
    fast = {"gflops": dict.fromkeys(NETWORKS, 1e9), "cores": dict.fromkeys(PIXELS, 1e9)}
    slow = {
        kind: {name: 1e9 if name != work else 1.0 for name in rates} for kind, rates in fast.items()
    }
    quick, late = (cost(CostModel(study, x_rays, GPURates("GPU", **each))) for each in (fast, slow))
    assert late.gpu_seconds > 5 * quick.gpu_seconds
    assert late.core_seconds == quick.core_seconds
