import pytest
import torch

from chexseg.catalog import SELECTING
from chexseg.evaluation.thresholds import CANDIDATES, ThresholdSelection, threshold_counts


def loop(probability, truth, thresholds):
    """The same counts, one pass for each threshold."""
    edges = torch.tensor(thresholds, dtype=probability.dtype, device=probability.device)
    positive = [probability > edge for edge in edges]
    intersection = torch.stack([(p & truth).sum((2, 3)) for p in positive], -1)
    return intersection, torch.stack([p.sum((2, 3)) for p in positive], -1), truth.sum((2, 3))


def test_candidates():
    assert len(CANDIDATES) == 19
    assert CANDIDATES[:3] == (0.05, 0.1, 0.15)  # not 0, which paints every X-ray
    assert CANDIDATES[-1] == 0.95


def test_a_pixel_is_positive_above_the_threshold_and_not_on_it():
    probability = torch.tensor([[[[0.0, 0.25, 0.5, 0.75]]]])
    truth = torch.tensor([[[[True, False, True, False]]]])
    intersection, predicted, drawn = threshold_counts(probability, truth, (0.0, 0.25, 0.5))
    assert intersection.tolist() == [[[1, 1, 0]]]
    assert predicted.tolist() == [[[3, 2, 1]]]
    assert drawn.tolist() == [[2]]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_counts_equal_those_of_a_loop(device, dtype):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    generator = torch.Generator().manual_seed(0)
    probability = torch.rand(3, 4, 9, 11, generator=generator).to(device, dtype)
    probability[:, :, :2] = torch.tensor(CANDIDATES[:11], device=device).to(dtype)  # on the edges
    probability[0, 0, 3] = torch.nan
    probability[0, 0, 4] = 1
    truth = (torch.rand(3, 4, 9, 11, generator=generator) < 0.3).to(device)
    for ours, theirs in zip(
        threshold_counts(probability, truth), loop(probability, truth, CANDIDATES), strict=True
    ):
        assert ours.dtype == torch.int64
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("thresholds", [(0.5, 0.5), (0.5, 0.2)])
def test_thresholds_must_increase(thresholds):
    with pytest.raises(ValueError, match="do not increase"):
        threshold_counts(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1, dtype=bool), thresholds)


def row(*values):
    """[1, 1, 1, W]: one X-ray, one pathology, one line of pixels."""
    return torch.tensor([[[list(values)]]])


def test_best_threshold_over_batches():
    selection = ThresholdSelection(1, thresholds=(0.0, 0.5))
    selection.update(row(0.4, 0.9), row(False, True))
    selection.update(row(0.4, 0.2), row(False, False))
    assert selection.scores().tolist() == [[1 / 4, 1.0]]
    thresholds, iou = selection.best()
    assert thresholds.tolist() == [0.5]
    assert iou.tolist() == [1.0]


def test_first_of_equal_candidates():
    selection = ThresholdSelection(1, thresholds=(0.1, 0.2, 0.3))
    selection.update(row(0.9, 0.15), row(True, False))
    assert selection.scores().tolist() == [[0.5, 1.0, 1.0]]
    assert selection.best()[0].tolist() == [0.2]


def test_truth_that_is_never_found_has_iou_zero():
    selection = ThresholdSelection(1)
    selection.update(row(0.0, 0.0), row(True, False))
    thresholds, iou = selection.best()
    assert (thresholds.tolist(), iou.tolist()) == ([0.05], [0.0])


def test_pathology_without_truth():
    selection = ThresholdSelection(2)
    selection.update(torch.full((1, 2, 1, 1), 0.7), torch.tensor([[[[True]], [[False]]]]))
    thresholds, iou = selection.best()
    assert thresholds.tolist() == [0.05, 0.5]
    assert iou[0] == 1
    assert torch.isnan(iou[1])
    assert torch.isnan(selection.scores()[1]).all()


def test_nothing_seen():
    thresholds, iou = ThresholdSelection(3).best()
    assert thresholds.tolist() == [0.5, 0.5, 0.5]
    assert torch.isnan(iou).all()


def test_the_metric_chooses_the_threshold():
    """A large X-ray is best cut low, a small one high: the mean over X-rays weighs them alike."""
    batches = [
        (row(*[0.3] * 8, 0.1, 0.1), row(*[True] * 8, False, False)),
        (row(0.9, 0.3, 0.3, 0.3), row(True, False, False, False)),
        (row(0.9, 0.3, 0.3, 0.3), row(True, False, False, False)),
    ]
    chosen = {}
    for metric in ("iou_dataset", "iou_image"):
        selection = ThresholdSelection(1, metric, (0.2, 0.5))
        for batch in batches:
            selection.update(*batch)
        chosen[metric] = selection.best()
        scores = selection.scores()[0].tolist()
        # At 0.5 nothing of the large one is left: `iou_image` does not count it.
        expected = {"iou_dataset": [10 / 16, 2 / 10], "iou_image": [(1 + 1 / 4 + 1 / 4) / 3, 1.0]}
        assert scores == pytest.approx(expected[metric])
    assert {name: best[0].tolist() for name, best in chosen.items()} == {
        "iou_dataset": [0.2],
        "iou_image": [0.5],
    }


@pytest.mark.parametrize("metric", SELECTING)
def test_a_metric_that_selects_punishes_misses_and_false_positives(metric):
    """Of four X-rays, a low threshold draws on all, a high one on one: both lose to the middle."""
    selection = ThresholdSelection(1, metric, (0.1, 0.5, 0.9))
    for probability, drawn in ((0.95, True), (0.6, True), (0.2, False), (0.2, False)):
        selection.update(row(probability, 0.0), row(drawn, False))
    assert selection.best()[0].tolist() == [0.5]


def test_a_metric_that_counts_no_x_ray_has_no_score():
    selection = ThresholdSelection(1, "iou_image", (0.2, 0.5))
    selection.update(row(0.1, 0.1), row(True, False))
    thresholds, score = selection.best()
    assert thresholds.tolist() == [0.5]
    assert torch.isnan(score).all()
