"""Training a classifier, its saliency maps, and the masks made from them."""

import hashlib
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from chexseg.config.settings import (
    ClassifierSettings,
)
from chexseg.data.index import positives_of, read_index
from chexseg.data.layouts.chexpert import COMPETITION, FINDINGS, PATHOLOGIES
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.inference.batching import batch_of
from chexseg.models.trained import load_classifier
from chexseg.saliency.masks import cut
from tests.stages.methods import compute_maps, make
from tests.stages.trained import (
    CLASSIFIER,
    SIZE,
    classify,
    prepare,
    rows_of,
    saliency_of,
)

# Classifier


def test_a_classifier_is_trained_and_tells_what_it_is(files):
    model, settings, findings = load_classifier(files.classifier)
    assert settings == ClassifierSettings(**CLASSIFIER)
    assert findings == FINDINGS
    assert model(torch.zeros(2, 1, SIZE, SIZE)).shape == (2, 14)
    checkpoint = torch.load(files.classifier, weights_only=True)
    assert '"image_size": 64' in checkpoint["description"]


def test_metrics_hold_the_auroc_of_every_observation(files):
    (row,) = rows_of(files.classifier)
    assert {f"auroc {observation}" for observation in FINDINGS} <= row.keys()
    scores = [float(row[f"auroc {name}"] or "nan") for name in COMPETITION]
    assert float(row["score"]) == pytest.approx(np.nanmean(scores))
    assert 0 <= float(row["score"]) <= 1


def test_same_seed_same_classifier_to_the_byte(files):
    again = classify(files, "again")
    assert again.read_bytes() == files.classifier.read_bytes()
    assert classify(files, "other", seed=4).read_bytes() != again.read_bytes()


def test_a_classifier_learns_from_the_first_train_x_rays_by_hash(files):
    index = pd.read_csv(files.index, dtype=str, keep_default_na=False)
    train = index.loc[index["split"] == "train", "cxr_id"]
    first = sorted(train, key=lambda x: hashlib.sha256(f"0/{x}".encode()).digest())[:10]
    kept = index[(index["split"] != "train") | index["cxr_id"].isin(first)]
    few = SimpleNamespace(**vars(files))
    few.index = files.folder / "few.csv"
    kept.to_csv(few.index, index=False)
    of_few, of_first, of_all = (
        load_classifier(checkpoint)[0].state_dict()
        for checkpoint in (classify(few, "of_few"), classify(files, "of_first", train_images=10),
                           files.classifier)
    )  # fmt: skip
    assert all(torch.equal(of_few[name], of_first[name]) for name in of_few)
    assert not all(torch.equal(of_all[name], of_first[name]) for name in of_few)


def test_a_classifier_of_more_train_x_rays_than_there_are(files):
    with pytest.raises(InputError, match="train X-rays, expected 1000, as the config asks for"):
        classify(files, "more", train_images=1000)


def test_shards_do_not_change_a_classifier(files, sharded):
    assert classify(sharded, "classifier").read_bytes() == files.classifier.read_bytes()


@pytest.mark.parametrize(
    "changes", [{"uncertain": "multiclass"}, {"uncertain": "ignore", "blank": "ignore"}]
)
def test_every_policy_trains(files, changes):
    path = classify(files, "policy", **changes)
    assert math.isfinite(float(rows_of(path)[0]["loss"]))
    model, settings, _ = load_classifier(path)
    assert settings.uncertain == changes["uncertain"]


# Saliency and its masks


def test_maps_of_every_x_ray_and_pathology(files):
    maps, images = Store(files.saliency, "saliency"), Store(files.images, "images")
    assert maps.ids == images.ids
    assert maps.meta == {"method": "gradcam", "classes": list(PATHOLOGIES)}
    batch = batch_of(maps, maps.ids)
    assert batch.shape == (42, 10, 4, 4)
    assert batch.min() >= 0
    assert torch.isfinite(batch).all()
    assert batch.any()


def test_one_shard_or_three_give_the_same_maps_to_the_bit(files, sharded):
    whole = Store(files.saliency, "saliency")
    parts = Store(saliency_of(sharded, "saliency", (files.classifier,)), "saliency")
    assert parts.ids == whole.ids
    for cxr_id in whole.ids:
        assert np.array_equal(parts[cxr_id], whole[cxr_id])


def test_some_pathologies_in_their_order(files):
    out, chosen = files.folder / "two.h5", ("Edema", "Airspace Opacity")
    compute_maps("gradcam", files.images[0], (files.classifier,), out, chosen, batch_size=8)
    two, ten = Store([out], "saliency"), Store(files.saliency, "saliency")
    assert two.meta["classes"] == list(chosen)
    columns = [PATHOLOGIES.index(name) for name in chosen]
    difference = batch_of(two, ten.ids) - batch_of(ten, ten.ids)[:, columns]
    assert difference.abs().max() < 1e-3


def test_maps_of_several_classifiers_are_scaled_and_averaged_at_the_finest(files):
    coarse = classify(files, "coarse", stride=32)
    (path,) = saliency_of(files, "both", (coarse, files.classifier))
    both, fine = Store([path], "saliency"), Store(files.saliency, "saliency")
    (path,) = saliency_of(files, "coarse", (coarse,))
    small = batch_of(Store([path], "saliency"), fine.ids)
    assert small.shape[2:] == (2, 2)

    def scaled(maps):
        return maps / maps.amax((2, 3), keepdim=True).clamp(min=1e-12)

    large = torch.nn.functional.interpolate(scaled(small), size=(4, 4), mode="bilinear")
    expected = (scaled(batch_of(fine, fine.ids)) + large) / 2
    assert batch_of(both, fine.ids).shape == (42, 10, 4, 4)
    seen = (small.amax((2, 3)) > 1e-3) & (batch_of(fine, fine.ids).amax((2, 3)) > 1e-3)
    assert seen.any()
    assert (batch_of(both, fine.ids) - expected).abs().amax((2, 3))[seen].max() < 0.02


def test_an_empty_shard_passes_through(phantom, files, tmp_path):
    empty = SimpleNamespace(**vars(prepare(phantom, tmp_path, 50)))
    sizes = [len(Store([path], "images")) for path in empty.images]
    shard = sizes.index(0)
    empty.images = empty.images[shard : shard + 1]
    (maps,) = saliency_of(empty, "maps", (files.classifier,))
    make("threshold", empty.index, empty.images[0], tmp_path / "pseudo.h5", {"saliency": maps})
    assert len(Store([maps], "saliency")) == len(Store([tmp_path / "pseudo.h5"], "masks")) == 0


def test_masks_by_threshold_are_gated_by_the_labels(files, capsys):
    masks, maps = Store(files.pseudo, "masks"), Store(files.saliency, "saliency")
    assert masks.ids == maps.ids
    names = {"classes": list(PATHOLOGIES), "splits": ["train"]}
    assert masks.meta == {"columns": SIZE, **names}
    positive = torch.from_numpy(positives_of(read_index(files.index).loc[maps.ids], PATHOLOGIES))
    drawn = batch_of(masks, masks.ids)
    expected = cut(batch_of(maps, maps.ids), positive, size=SIZE, threshold=0.5)
    assert torch.equal(drawn, expected)
    assert drawn.any()
    assert not drawn.any((2, 3))[~positive].any()


def test_expert_masks_are_stored_for_the_x_rays_that_train_and_select(files):
    store = Store(files.expert, "masks")
    assert store.ids == list(read_index(files.index, "expert", "validation").index)
    labels = positives_of(read_index(files.index).loc[store.ids], PATHOLOGIES)
    drawn = batch_of(store, store.ids).any((2, 3)).numpy()
    assert drawn.any()
    assert not (drawn & ~labels).any()  # the phantom outlines what it labels
