"""Saliency stores of methods with settings."""

import numpy as np
import pytest

from chexseg.files.store import Store
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
