"""Settings of pre-training and transfer: which of them count, and what they may be."""

import pytest
from pydantic import ValidationError

from chexseg import catalog
from chexseg.config.methods import configured, not_taken, settings_of
from chexseg.config.settings import ClassifierSettings, SegmenterSettings
from chexseg.mask_sources.irnet import IRNetSettings

BOXES = {"outside_weight", "projection_weight", "size_weight", "edge_weight"}
CONTRAST = {"contrast", "contrast_temperature", "contrast_memory", "mask_weight"}
ALWAYS = {"confidence", "parts", "held_out", *BOXES, *CONTRAST}
"""Fields that are unused in all cases below."""


@pytest.mark.parametrize(
    ("changes", "unused"),
    [
        ({}, {"momentum", "background_weight", "adapter_rank"}),
        ({"optimizer": "sgd"}, {"background_weight", "adapter_rank"}),
        ({"loss": "cross_entropy"}, {"momentum", "adapter_rank"}),
        (
            {"fine_tuning": "adapters"},
            {"momentum", "background_weight", "encoder_learning_rate_factor"},
        ),
        (
            {"fine_tuning": "head"},
            {"momentum", "background_weight", "encoder_learning_rate_factor", "adapter_rank"},
        ),
    ],
)
def test_settings_count_only_where_they_can_change_something(changes, unused):
    assert SegmenterSettings(**changes).unused() == unused | ALWAYS


def test_momentum_counts_for_sgd_in_every_training():
    assert "momentum" in ClassifierSettings().unused()
    assert ClassifierSettings(optimizer="sgd").unused() == {"dilate", "held_out"}
    assert IRNetSettings().unused() == set()
    assert IRNetSettings(optimizer="adam").unused() == {"momentum"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 9, "keep_epochs": [5, 10]}, "found epoch 10 of 9, expected epochs from 1 to 9"),
        ({"keep_epochs": [0]}, "greater than or equal to 1"),
        ({"scale_range": [2, 0.5]}, "found scales from 2 to 0.5"),
        ({"scale_range": [0.5]}, "Field required"),
        ({"background_weight": 0}, "greater than 0"),
        ({"momentum": 1}, "less than 1"),
        ({"fine_tuning": "heads"}, "'full', 'head' or 'adapters'"),
    ],
)
def test_values_that_cannot_be(changes, message):
    with pytest.raises(ValidationError, match=message):
        SegmenterSettings(**changes)


def test_the_order_of_kept_epochs_means_nothing():
    assert SegmenterSettings(keep_epochs=[10, 5, 10]).keep_epochs == (5, 10)


def test_a_method_takes_the_settings_that_it_names(monkeypatch):
    def tripled(logits, *, temperature, confidence=0.5):
        return logits, temperature, confidence

    load = catalog.load
    monkeypatch.setattr(catalog, "names", lambda kind: ("dice", "tripled"))
    monkeypatch.setattr(catalog, "load", lambda k, n: tripled if n == "tripled" else load(k, n))
    for function in (settings_of, not_taken):
        function.cache_clear()
    try:
        assert settings_of("loss", "tripled") == ("temperature", "confidence")
        assert not_taken("loss", "dice") == {"temperature", "confidence"}
        assert not_taken("loss", "tripled") == set()
        settings = SegmenterSettings.model_construct(temperature=3.0, confidence=0.9)
        assert configured("loss", "tripled", settings)(1) == (1, 3.0, 0.9)
    finally:
        for function in (settings_of, not_taken):
            function.cache_clear()
