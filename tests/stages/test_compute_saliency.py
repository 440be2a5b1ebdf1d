"""Saliency stores of methods with settings."""

import numpy as np
import pytest
import torch

from chexseg.data.index import read_index
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.models.trained import load_classifier
from chexseg.saliency.baselines import Mean
from chexseg.saliency.integrated_gradients import IntegratedGradients
from tests.stages.methods import compute_maps

CLASSES = ("Edema", "Cardiomegaly")


@pytest.fixture
def maps(files, tmp_path):
    """Computes a store of maps; returns the array of the first X-ray."""

    def compute(method="gradcam", **settings):
        out = tmp_path / "maps.h5"
        compute_maps(
            method, files.images[0], (files.classifier,), out, CLASSES, batch_size=8, **settings
        )
        store = Store([out], "saliency")
        return store[store.ids[0]]

    return compute


def test_settings_that_are_spelled_out_but_no_others_leave_the_bits(maps):
    plain = maps()
    assert np.array_equal(maps(flip=False, scales=(1,), layer=4), plain)
    for other in ({"flip": True}, {"scales": (1, 1.5)}):
        assert maps(**other).shape == plain.shape
        assert not np.array_equal(maps(**other), plain)


def test_earlier_stages_have_finer_maps(maps):
    assert [maps("layercam", layer=layer).shape for layer in (1, 2, 3, 4)] == [
        (2, 16, 16), (2, 8, 8), (2, 4, 4), (2, 4, 4),
    ]  # fmt: skip


@pytest.fixture
def attributions(files, tmp_path):
    """Computes a store of attributions of two steps; returns it."""

    def compute(classifiers=(files.classifier,), inputs=None, classes=CLASSES, **settings):
        out = tmp_path / f"attributions{len([*tmp_path.iterdir()])}.h5"
        compute_maps(
            "integrated_gradients", files.images[0], classifiers, out, classes, inputs=inputs,
            **{"steps": 2, "cell": 16, **settings},
        )  # fmt: skip
        return Store([out], "saliency")

    return compute


def test_the_error_of_each_map_is_stored_beside_it(attributions, capsys):
    store = attributions()
    assert store[store.ids[0]].shape == (2, 4, 4)
    measures = store.measures()
    assert set(measures) == {"completeness_error", "logit_difference"}
    sums = np.stack([store[cxr_id].astype(float).sum((1, 2)) for cxr_id in store.ids])
    assert measures["logit_difference"].shape == sums.shape == (len(store), 2)
    error = np.abs(sums - measures["logit_difference"])
    assert np.allclose(error, measures["completeness_error"], atol=2e-3)  # maps are in float16
    assert measures["completeness_error"].max() > 0
    logged = capsys.readouterr().out
    assert f"highest {measures['completeness_error'].max():.3g}" in logged
    assert "logit_difference: median" in logged


def test_measures_are_averaged_over_copies_and_classifiers(attributions, files):
    once, flipped = attributions(), attributions(flip=True)
    twice = attributions(classifiers=(files.classifier, files.classifier))
    name = "logit_difference"
    assert np.allclose(once.measures()[name], twice.measures()[name], atol=1e-5)
    assert not np.allclose(once.measures()[name], flipped.measures()[name], atol=1e-5)


def test_the_baseline_mean_is_that_of_the_train_x_rays(attributions, files):
    inputs = {"index": (files.index,), "mean": files.images}
    store = attributions(baseline="mean", inputs=inputs)
    images = Store(files.images, "images")
    train = images.batch(read_index(files.index, "train").index)
    assert 1 < len(train) < len(images)
    model, _, findings = load_classifier(files.classifier)
    baseline = Mean(torch.from_numpy(train.mean(0) / 255).float())
    explainer = IntegratedGradients(model.eval(), baseline=baseline, steps=2, cell=16)
    image = torch.from_numpy(images[store.ids[0]])[None, None].float() / 255
    expected = explainer.maps(image, [findings.index(name) for name in CLASSES])[0].numpy()
    assert np.allclose(store[store.ids[0]], expected, rtol=5e-3, atol=5e-4)


def test_the_baseline_mean_needs_x_rays(attributions):
    with pytest.raises(InputError, match=r"--index, --mean: found no index or no shards"):
        attributions(baseline="mean")


def test_an_observation_that_the_classifier_does_not_know(attributions):
    with pytest.raises(InputError, match="no output 'Scoliosis'"):
        attributions(classes=("Edema", "Scoliosis"))
