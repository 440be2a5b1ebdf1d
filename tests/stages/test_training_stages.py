import csv
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chexseg.config.settings import (
    ClassifierSettings,
    ImageSettings,
    IndexSettings,
    SegmenterSettings,
)
from chexseg.data.index import positives_of, read_index
from chexseg.data.layouts.chexpert import COMMON, COMPETITION, FINDINGS, PATHOLOGIES
from chexseg.errors import InputError
from chexseg.files.store import Store, write_store
from chexseg.inference.batching import batch_of
from chexseg.models.trained import load_classifier, load_segmenter
from chexseg.saliency.masks import cut
from chexseg.stages import (
    build_index,
    store_images,
    train_classifier,
    train_segmenter,
)
from tests.stages.methods import compute_maps, make
from tests.stages.release_files import release_files

SIZE = 64
SHORT = {"initial_weights": "none", "epochs": 1, "learning_rate": 1e-3, "seed": 3}
CLASSIFIER = {"architecture": "densenet_small", "stride": 16, "batch_size": 8} | SHORT
CLASSIFIER["selection"] = COMPETITION
SEGMENTER = {"architecture": "unet", "decoder_channels": 16, "batch_size": 8} | SHORT
SEGMENTER["selection"] = COMMON


def prepare(phantom, folder, shards):
    """Index and stores of the phantom, in a number of shards."""
    release = release_files(phantom)
    files = SimpleNamespace(index=folder / "index.csv", folder=folder)
    build_index.run(
        **release,
        out=files.index,
        settings=IndexSettings(expert_fraction=0.5, shards=shards),
    )
    settings = ImageSettings(image_size=SIZE)
    files.images = tuple(folder / f"images{shard}.h5" for shard in range(shards))
    for shard, path in enumerate(files.images):
        store_images.run(index=files.index, root=phantom, out=path, settings=settings, shard=shard)
    (drawn,) = release["inputs"]["val_masks"]
    files.expert = tuple(folder / f"expert{shard}.h5" for shard in range(shards))
    for images, out in zip(files.images, files.expert, strict=True):
        make("drawn", files.index, images, out, {"masks": drawn}, classes=PATHOLOGIES)
    return files


def classify(files, name, **changes):
    out, metrics = files.folder / f"{name}.pt", files.folder / f"{name}.csv"
    train_classifier.run(
        index=files.index,
        images=files.images,
        out=out,
        metrics=metrics,
        settings=ClassifierSettings(**(CLASSIFIER | changes)),
    )
    return out


def segment(files, name, *, sources=("expert",), mixing=(), weights=(), **changes):
    out, metrics = files.folder / f"{name}.pt", files.folder / f"{name}.csv"
    train_segmenter.run(
        index=files.index,
        images=files.images,
        truth=files.expert,
        masks=tuple(path for source in sources for path in getattr(files, source)),
        sources=sources,
        mixing=mixing,
        out=out,
        metrics=metrics,
        settings=SegmenterSettings(**(SEGMENTER | changes)),
        weights=weights,
    )
    return out


BOTH = ("expert", "pseudo")


def saliency_of(files, name, classifiers, **settings):
    outs = []
    for shard, images in enumerate(files.images):
        outs.append(files.folder / f"{name}{shard}.h5")
        settings = {"batch_size": 8} | settings
        compute_maps("gradcam", images, classifiers, outs[-1], PATHOLOGIES, **settings)
    return tuple(outs)


def rows_of(path):
    with path.with_suffix(".csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def files(phantom, tmp_path_factory):
    """The phantom in one shard, with a classifier, its maps and their masks."""
    files = prepare(phantom, tmp_path_factory.mktemp("study"), 1)
    files.classifier = classify(files, "classifier")
    files.saliency = saliency_of(files, "saliency", (files.classifier,))
    files.pseudo = (files.folder / "pseudo.h5",)
    maps = {"saliency": files.saliency[0]}
    make("threshold", files.index, files.images[0], files.pseudo[0], maps, threshold=0.5)
    return files


@pytest.fixture(scope="module")
def sharded(phantom, tmp_path_factory):
    """The phantom in three shards."""
    return prepare(phantom, tmp_path_factory.mktemp("sharded"), 3)


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


# Segmenter


def test_a_segmenter_is_trained_and_tells_what_it_is(files):
    path = segment(files, "full")
    model, checkpoint = load_segmenter(path)
    assert checkpoint.classes == PATHOLOGIES
    assert checkpoint.extra["image_size"] == SIZE
    assert len(checkpoint.extra["thresholds"]) == 10
    assert all(0 <= threshold < 1 for threshold in checkpoint.extra["thresholds"])
    assert model.eval()(torch.zeros(1, 1, SIZE, SIZE)).shape == (1, 10, SIZE, SIZE)
    (row,) = rows_of(path)
    assert {f"iou {pathology}" for pathology in PATHOLOGIES} <= row.keys()
    common = ("Enlarged Cardiomediastinum", "Support Devices", "Cardiomegaly", "Atelectasis")
    scores = [float(row[f"iou {name}"] or "nan") for name in common]
    assert float(row["score"]) == pytest.approx(np.nanmean(scores))


def test_same_seed_same_segmenter_to_the_byte(files):
    options = {"sources": BOTH, "mixing": (0.9, 0.1), "samples_per_epoch": 16}
    one, again = segment(files, "one", **options), segment(files, "two", **options)
    assert one.read_bytes() == again.read_bytes()
    other = segment(files, "three", **(options | {"seed": 4}))
    assert other.read_bytes() != one.read_bytes()


def test_deeplab_trains_to_the_same_bytes(files):
    options = {"architecture": "deeplabv3plus", "decoder_channels": 16}
    one, again = segment(files, "deeplab", **options), segment(files, "deeplab2", **options)
    assert one.read_bytes() == again.read_bytes()


def test_an_encoder_starts_from_a_classifier_of_the_study(files, capsys):
    classifier = classify(files, "resnet", architecture="resnet18", stride=32)
    capsys.readouterr()
    options = {"initial_weights": "resnet", "samples_per_epoch": 8}
    path = segment(files, "started", weights=(classifier,), **options)
    assert "loaded=" in capsys.readouterr().out
    assert path.read_bytes() != segment(files, "random", samples_per_epoch=8).read_bytes()


class Watch:
    """The X-rays that a training asks for, by their source."""

    def __init__(self, monkeypatch):
        self.asked = []
        read = train_segmenter.Supervised.__getitem__

        def asked(dataset, number):
            self.asked.append(dataset.items[number][0].name)
            return read(dataset, number)

        monkeypatch.setattr(train_segmenter.Supervised, "__getitem__", asked)

    def count(self, name):
        return self.asked.count(name)


@pytest.mark.parametrize(
    ("sources", "mixing", "expected"),
    [
        (("expert",), (), {"expert": 5}),
        (("pseudo",), (), {"pseudo": 24}),
        (BOTH, (1, 0), {"expert": 16}),
        (BOTH, (0, 1), {"pseudo": 16}),
    ],
)
def test_what_a_segmenter_learns_from(files, monkeypatch, sources, mixing, expected):
    watch = Watch(monkeypatch)
    samples = sum(expected.values())
    segment(files, "watched", sources=sources, mixing=mixing, samples_per_epoch=samples)
    assert watch.count("validation") == 5
    assert {name: watch.count(name) for name in set(watch.asked) - {"validation"}} == expected


def test_without_weights_every_x_ray_of_all_sources_is_shown_once(files, monkeypatch):
    watch = Watch(monkeypatch)
    # 29 X-rays in batches of 29: none is dropped.
    segment(files, "watched", sources=BOTH, batch_size=29)
    assert (watch.count("expert"), watch.count("pseudo")) == (5, 24)


def test_no_masks_to_learn_from(files, tmp_path):
    index = tmp_path / "index.csv"
    index.write_text(files.index.read_text().replace(",expert,", ",validation,"))
    none = SimpleNamespace(**(vars(files) | {"index": index}))
    with pytest.raises(InputError, match="no training X-ray in the masks 'expert'"):
        segment(none, "nothing", sources=BOTH)
    assert not (files.folder / "nothing.pt").exists()


@pytest.mark.parametrize("number", [0, 2])
def test_validation_uses_the_x_rays_that_have_masks(files, tmp_path, monkeypatch, number):
    drawn, watch = Store(files.expert, "masks"), Watch(monkeypatch)
    some = list(read_index(files.index, "validation").index)[:number]
    with write_store(tmp_path / "some.h5", "masks", drawn.meta) as store:
        for cxr_id in [*read_index(files.index, "expert").index, *some]:
            store.append(cxr_id, drawn[cxr_id])
    few = SimpleNamespace(**(vars(files) | {"expert": (tmp_path / "some.h5",)}))
    if number:
        segment(few, "few")
        assert watch.count("validation") == number
    else:
        with pytest.raises(InputError, match="no masks of validation X-rays"):
            segment(few, "few")
