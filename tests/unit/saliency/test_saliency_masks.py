import pytest
import torch

from chexseg.saliency.masks import cut


def maps_of(*rows):
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def test_a_map_is_cut_above_a_share_of_its_maximum():
    maps = maps_of([0, 1, 2], [3, 4, 5], [6, 7, 8])
    masks = cut(maps, torch.tensor([[True]]), size=3, threshold=0.5)
    assert masks.dtype == torch.bool
    assert masks[0, 0].int().tolist() == [[0, 0, 0], [0, 0, 1], [1, 1, 1]]


def test_scale_and_type_of_a_map_do_not_matter():
    maps = maps_of([0, 1, 2], [3, 4, 5], [6, 7, 8])
    expected = cut(maps, torch.tensor([[True]]), size=6, threshold=0.3)
    for scale in (1e-6, 1e6):
        assert torch.equal(
            cut(maps * scale, torch.tensor([[True]]), size=6, threshold=0.3), expected
        )
    assert torch.equal(cut(maps.half(), torch.tensor([[True]]), size=6, threshold=0.3), expected)


def test_only_positive_labels_have_a_mask():
    maps = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    positive = torch.tensor([[True, False, True], [False, False, True]])
    masks = cut(maps, positive, size=8, threshold=0.2)
    assert masks.shape == (2, 3, 8, 8)
    assert torch.equal(masks.any((2, 3)), positive)


def test_a_map_without_evidence_has_an_empty_mask():
    maps = torch.zeros(1, 1, 4, 4)
    for threshold in (0.0, 0.5):
        assert not cut(maps, torch.tensor([[True]]), size=8, threshold=threshold).any()


def test_threshold_0_takes_all_evidence_and_threshold_1_none():
    maps = maps_of([0, 0, 0], [0, 2, 0], [0, 0, 1])
    positive = torch.tensor([[True]])
    assert cut(maps, positive, size=3, threshold=0)[0, 0].sum() == 2
    assert cut(maps, positive, size=3, threshold=1)[0, 0].sum() == 0


def test_each_map_is_scaled_by_its_own_maximum_after_the_enlargement():
    maps = torch.zeros(1, 2, 2, 2)
    maps[0, 0, 0, 0], maps[0, 1, 0, 0] = 1, 100
    masks = cut(maps, torch.ones(1, 2, dtype=torch.bool), size=8, threshold=0.5)
    assert torch.equal(masks[0, 0], masks[0, 1])
    # Centres at 0.5 and 2.5 of the 8-pixel grid's cells: along a side the weights are
    # 1, 1, 7/8, 5/8, 3/8, 1/8, 0, 0, and a mask holds what exceeds 1/2 in their product.
    side = torch.tensor([1, 1, 7 / 8, 5 / 8, 3 / 8, 1 / 8, 0, 0])
    assert torch.equal(masks[0, 0], side[:, None] * side > 0.5)


def test_otsu_is_scikit_images_threshold_of_each_map():
    from skimage.filters import threshold_otsu

    maps = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)) ** 3
    positive = torch.ones(2, 3, dtype=torch.bool)
    masks = cut(maps, positive, size=24, threshold="otsu")
    enlarged = torch.nn.functional.interpolate(maps, size=(24, 24), mode="bilinear")
    scaled = enlarged / enlarged.amax((2, 3), keepdim=True)
    thresholds = set()
    for image in range(2):
        for channel in range(3):
            values = scaled[image, channel].numpy()
            threshold = threshold_otsu(values)
            thresholds.add(round(float(threshold), 3))
            assert (masks[image, channel].numpy() == (values > threshold)).all()
    assert len(thresholds) > 3


def test_otsu_divides_two_levels_between_them():
    maps = maps_of([0, 0, 0], [25 / 256] * 3, [0.9, 1.0, 0.9])
    masks = cut(maps, torch.tensor([[True]]), size=3, threshold="otsu")
    assert masks[0, 0].int().tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 1]]


def test_otsu_of_maps_without_evidence_or_label_is_empty():
    maps = torch.cat([torch.zeros(1, 1, 4, 4), torch.rand(1, 1, 4, 4)], 1)
    masks = cut(maps, torch.tensor([[True, False]]), size=8, threshold="otsu")
    assert not masks.any()


@pytest.mark.parametrize("threshold", [0.5, "otsu"])
def test_filled_masks_are_all_that_their_outer_contours_enclose(threshold):
    ring = [1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 0, 1], [0, 0, 0, 0, 1], [0, 1, 1, 1, 1]
    masks = cut(maps_of(*ring), torch.tensor([[True]]), size=5, threshold=threshold, fill=True)
    expected = [list(row) for row in ring]
    expected[1][1] = 1  # the bay at the left of the hook is open
    assert masks[0, 0].int().tolist() == expected
    plain = cut(maps_of(*ring), torch.tensor([[True]]), size=5, threshold=threshold)
    assert plain[0, 0].int().tolist() == [list(row) for row in ring]


def test_what_is_filled_equals_outer_contours_drawn_by_opencv():
    opencv = pytest.importorskip("cv2")
    maps = torch.rand(1, 2, 12, 12, generator=torch.Generator().manual_seed(2))
    positive = torch.ones(1, 2, dtype=torch.bool)
    plain, filled = (cut(maps, positive, size=48, threshold=0.6, fill=f) for f in (False, True))
    assert (filled & ~plain).any()
    for mask, expected in zip(plain[0], filled[0], strict=True):
        drawn = mask.numpy().astype("uint8")
        contours, _ = opencv.findContours(drawn, opencv.RETR_EXTERNAL, opencv.CHAIN_APPROX_NONE)
        opencv.drawContours(drawn, contours, -1, 1, opencv.FILLED)
        assert (drawn.astype(bool) == expected.numpy()).all()
