"""Masks as targets: levels, what is not known, and how both move with the X-ray."""

import numpy as np
import pytest
import torch

from chexseg.data.levels import certain_masks, levels_of
from chexseg.files.store import Store, write_store
from chexseg.files.store_format import CERTAIN, UNKNOWN
from chexseg.training.augmentation import augment, augment_known, draw_noise
from chexseg.training.targets import Levels, unpack


def test_levels_of_probabilities_and_of_bool():
    assert levels_of(np.array([0, 0.5, 1.0])).tolist() == [0, 127, 254]
    assert levels_of(np.array([False, True])).tolist() == [0, 254]
    known = np.array([[True], [False]])
    assert levels_of(np.ones((2, 2)), known).tolist() == [[254, 254], [255, 255]]


def test_levels_as_masks():
    masks = np.array([0, 127, 128, 254, 255], np.uint8)
    assert certain_masks(masks).tolist() == [False, False, True, True, False]
    assert certain_masks(np.array([True, False])).tolist() == [True, False]


def test_unpacking():
    truth, known = unpack(torch.tensor([[0, 127, CERTAIN, UNKNOWN]], dtype=torch.uint8))
    assert truth.tolist() == [[0, 0.5, 1, 0]]
    assert known.tolist() == [[1, 1, 1, 0]]
    truth, known = unpack(torch.tensor([True, False]))
    assert (truth.tolist(), known) == ([1, 0], None)


@pytest.mark.parametrize("kind", ["masks", "mask_levels"])
def test_a_store_of_either_kind_gives_levels_without_what_is_left_out(tmp_path, kind):
    masks = np.zeros((3, 4, 8), bool)
    masks[:, 1] = True
    meta = {"columns": 8} if kind == "masks" else {}
    with write_store(tmp_path / "0.h5", kind, meta) as writer:
        writer.append("a", masks if kind == "masks" else levels_of(masks))
    store = Store([tmp_path / "0.h5"], "masks", "mask_levels")
    assert store.kind == kind
    levels = Levels(store)("a")
    assert (levels.dtype, levels[:, :2, 0].tolist()) == (np.uint8, [[0, CERTAIN]] * 3)
    part = Levels(store, [1])("a")
    assert part[:, :2, 0].tolist() == [[0, CERTAIN], [UNKNOWN, UNKNOWN], [0, CERTAIN]]
    assert Levels(store)("a").tolist() == levels.tolist()  # the store is not changed


def moved(strength=1.0, **options):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(4, 1, 16, 16, generator=generator)
    masks = (torch.rand(4, 2, 16, 16, generator=generator) > 0.5).float()
    noise = draw_noise(4, generator)
    known = options.pop("known", torch.ones_like(masks))
    return (image, masks, noise), augment_known(
        image, masks * known, known, strength, noise, **options
    )


def test_masks_that_are_known_everywhere_move_like_others():
    (image, masks, noise), (changed, truth, known) = moved(soft=False)
    expected = augment(image, masks, 1.0, noise)
    assert torch.equal(changed, expected[0])
    assert torch.equal(truth, expected[1])
    assert torch.equal(known, torch.ones_like(known))
    (_, masks, _), (_, soft, _) = moved(soft=True)
    torch.testing.assert_close(soft, augment(image, masks, 1.0, noise, soft=True)[1])


def test_what_is_not_known_moves_along():
    known = torch.ones(4, 2, 16, 16)
    known[:, 0, 4:12, 4:12] = 0
    (image, _, noise), (_, truth, after) = moved(known=known, soft=False)
    _, expected = augment(image, 1 - known, 1.0, noise)
    wrong = (after != 1 - expected).float().mean()
    assert wrong < 0.02  # pixels at a share of one half
    assert torch.equal(truth[after == 0], torch.zeros(int((after == 0).sum())))
    assert set(truth.unique().tolist()) == {0, 1}


def test_beside_what_is_not_known_a_mask_stays_whole():
    known = torch.ones(4, 2, 16, 16)
    known[..., 8:] = 0
    image, masks, noise = torch.rand(4, 1, 16, 16), known.clone(), torch.full((4, 6), 0.1)
    _, truth, after = augment_known(image, masks, known, 0.5, noise, soft=True)
    inside = after[..., 4:-4, 4:-4] == 1
    torch.testing.assert_close(truth[..., 4:-4, 4:-4][inside], torch.ones(int(inside.sum())))


def test_without_augmentation_nothing_changes():
    known = (torch.rand(4, 2, 16, 16, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    (image, masks, _), (changed, truth, after) = moved(0.0, known=known, soft=False)
    assert torch.equal(changed, image)
    assert torch.equal(truth, masks * known)
    assert torch.equal(after, known)
