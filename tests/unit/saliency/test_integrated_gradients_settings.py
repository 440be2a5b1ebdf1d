"""The settings of Integrated Gradients: what they use, and what they cost."""

from pathlib import Path

import pytest

from chexseg.config.flags import flags
from chexseg.config.study import load_study
from chexseg.saliency.methods.integrated_gradients import IntegratedGradients
from chexseg.scheduling.cost import CostModel
from chexseg.scheduling.x_rays import XRays

ROOT = Path(__file__).parents[3]


def entry(**settings):
    named = {"method": "integrated_gradients", "classifiers": ["densenet121"]}
    return IntegratedGradients(**named, **settings)


@pytest.mark.parametrize(
    ("settings", "unused"),
    [
        ({}, {"blur", "noise_baselines", "noise", "seed"}),
        ({"baseline": "mean"}, {"blur", "noise_baselines", "noise", "seed"}),
        ({"baseline": "blurred"}, {"noise_baselines", "noise", "seed"}),
        ({"baseline": "noise"}, {"blur", "noise"}),
        ({"noisy_copies": 5}, {"blur", "noise_baselines", "values"}),
        ({"baseline": "noise", "noisy_copies": 5}, {"blur", "values"}),
    ],
)
def test_settings_that_change_nothing_reach_no_flag(settings, unused):
    assert entry(**settings).unused() == unused
    words = flags(entry(**settings).settings())
    every = ("blur", "noise_baselines", "noise", "seed", "values", "steps", "cell", "memory")
    left_out = {name for name in every if f"--{name.replace('_', '-')} " not in words}
    assert left_out == unused


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        ({"steps": 16}, 2 + 16 * (1 + 0.5 * 14)),
        ({"steps": 16, "baseline": "noise"}, 10 * 130),
        ({"steps": 16, "noisy_copies": 4}, 4 * 130),
        ({"steps": 16, "baseline": "noise", "noise_baselines": 3, "noisy_copies": 4}, 12 * 130),
    ],
)
def test_forward_passes_count_steps_observations_baselines_and_copies(settings, passes):
    assert entry(**settings).forward_passes(14) == passes


def test_the_cost_model_knows_steps_and_cells():
    maps = {"method": "integrated_gradients", "classifiers": ["densenet"]}
    overrides = {"saliency": {"one": {**maps, "cell": 32}, "fine": {**maps, "cell": 4}}}
    study = load_study(ROOT / "config" / "chexpert.yaml", overrides=overrides)
    model = CostModel(study, XRays(16_000 - 720, 202, 518))
    costs = {name: model.compute_saliency(name, "0000") for name in study.saliency}
    assert costs["fine"].disk == 64 * costs["one"].disk == 64 * 1000 * 1300
    ratio = costs["one"].gpu_seconds / costs["gradcam"].gpu_seconds
    assert 50 < ratio < 2 + 16 * (1 + 0.5 * 10)


def test_only_the_baseline_mean_reads_other_x_rays():
    overrides = {"saliency": {"ig": {
        "method": "integrated_gradients", "classifiers": ["densenet"], "baseline": "mean"}}}  # fmt: skip
    study = load_study(ROOT / "config" / "chexpert.yaml", overrides=overrides)
    from chexseg.config.paths import Paths

    files = study.saliency["ig"].inputs(Paths(study))
    assert files["index"] == ["results/chexpert/index.csv"]
    assert len(files["mean"]) == study.data.index.shards
    assert entry(baseline="noise").inputs(Paths(study)) == {}
