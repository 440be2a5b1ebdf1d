import numpy as np
import pytest

from chexseg.config.phantom import PhantomSettings
from chexseg.data.layouts.chexpert import LABEL_COLUMNS, PATHOLOGIES
from chexseg.data.phantom.geometry import distance_to_curves, draw_pose, smooth_field
from chexseg.data.phantom.labels import draw_findings, pathologies_of, report_labels, true_labels
from chexseg.data.phantom.radiograph import render
from chexseg.data.phantom.reader import second_reading


def radiograph(seed, positives, **options):
    options = {"longest_side": 120, "lesion_scale": 1.5} | options
    return render(np.random.default_rng(seed), positives, **options)


def test_same_seed_same_bits():
    first = radiograph(3, ["Edema", "Support Devices"])
    again = radiograph(3, ["Edema", "Support Devices"])
    assert np.array_equal(first.image, again.image)
    assert all(np.array_equal(first.masks[name], again.masks[name]) for name in first.masks)
    assert not np.array_equal(first.image[:90, :90], radiograph(4, ["Edema"]).image[:90, :90])


@pytest.mark.parametrize("pathology", PATHOLOGIES)
def test_each_pathology_has_a_mask_that_leaves_part_of_the_image(pathology):
    for seed in range(12):
        shown = radiograph(seed, [pathology])
        assert list(shown.masks) == [pathology]
        mask = shown.masks[pathology]
        assert mask.dtype == bool
        assert mask.shape == shown.image.shape
        assert 4 <= mask.sum() < 0.6 * mask.size


@pytest.mark.parametrize("pathology", ["Lung Lesion", "Consolidation", "Pleural Effusion"])
def test_opacities_are_brighter_than_the_rest_of_the_lung(pathology):
    brighter = []
    for seed in range(10):
        shown = radiograph(seed, [pathology])
        lungs = shown.anatomy["Left Lung"] | shown.anatomy["Right Lung"]
        mask = shown.masks[pathology]
        inside, outside = shown.image[mask].mean(), shown.image[lungs & ~mask].mean()
        brighter.append(inside > outside)
    assert np.mean(brighter) >= 0.9


def test_pneumothorax_is_in_the_lung_and_apart_from_opacities():
    for seed in range(8):
        shown = radiograph(seed, ["Pneumothorax", "Lung Lesion"])
        lungs = shown.anatomy["Left Lung"] | shown.anatomy["Right Lung"]
        assert not (shown.masks["Pneumothorax"] & ~lungs).any()


def test_all_ten_at_once():
    for seed in range(10):
        shown = radiograph(seed, PATHOLOGIES)
        assert tuple(shown.masks) == PATHOLOGIES
        assert all(mask.any() for mask in shown.masks.values())
        opacity = shown.masks["Airspace Opacity"]
        for child in ("Edema", "Consolidation", "Atelectasis"):
            assert not (shown.masks[child] & ~opacity).any()


def test_heart_is_larger_with_cardiomegaly():
    def share(positives):
        hearts = [radiograph(seed, positives).anatomy["Heart"].mean() for seed in range(8)]
        return np.mean(hearts)

    assert share(["Cardiomegaly"]) > 1.25 * share([])


def test_anatomy_is_complete_and_the_left_lung_is_on_the_right():
    shown = radiograph(0, [])
    assert set(shown.anatomy) == {
        "Left Lung",
        "Right Lung",
        "Heart",
        "Ribs",
        "Spine",
        "Clavicles",
        "Diaphragm",
    }
    assert all(mask.any() for mask in shown.anatomy.values())
    columns = {name: np.nonzero(mask)[1].mean() for name, mask in shown.anatomy.items()}
    assert columns["Right Lung"] < columns["Spine"] < columns["Heart"] < columns["Left Lung"]


def test_sizes_vary_around_the_longest_side_and_are_not_square():
    shapes = [draw_pose(np.random.default_rng(seed), 100).shape for seed in range(60)]
    longest = [max(shape) for shape in shapes]
    assert all(height != width for height, width in shapes)
    assert min(longest) >= 80
    assert max(longest) <= 120
    assert 95 < np.mean(longest) < 105


def test_lateral_view_has_no_masks():
    shown = radiograph(0, ["Cardiomegaly"], lateral=True)
    assert shown.masks == {}
    assert shown.image.std() > 20


def test_unknown_pathology_is_refused():
    with pytest.raises(ValueError, match="Lung Opacity"):
        radiograph(0, ["Lung Opacity"])


def test_distance_to_a_straight_curve():
    pose = draw_pose(np.random.default_rng(0), 80)
    middle = np.array([[0.0, -0.3], [0.0, 0.3]])
    distance = distance_to_curves(pose, [middle], 0.2)
    column, row = np.rint(pose.pixels(np.array([[0.1, 0.0]]))[0]).astype(int)
    assert distance[row, column] == pytest.approx(0.1, abs=1 / pose.scale)
    assert distance.max() == pytest.approx(0.2)


def test_smooth_field_has_about_unit_variance():
    field = smooth_field(np.random.default_rng(0), (200, 160), 30)
    assert field.shape == (200, 160)
    assert 0.8 < field.std() < 1.2


def test_second_reader_agrees_but_not_fully():
    truth = np.zeros((120, 100), dtype=bool)
    truth[40:80, 30:70] = True
    overlaps = []
    for seed in range(40):
        read = second_reading(np.random.default_rng(seed), {"Edema": truth})["Edema"]
        overlaps.append((read & truth).sum() / (read | truth).sum())
    missed = np.array(overlaps) == 0
    assert missed.mean() < 0.25
    assert 0.7 < np.mean(np.array(overlaps)[~missed]) < 0.99


def test_prevalences_are_those_of_a_hospital():
    rng = np.random.default_rng(0)
    drawn = [draw_findings(rng, 0.13) for _ in range(4000)]
    for pathology in PATHOLOGIES:
        share = np.mean([pathology in pathologies_of(findings) for findings in drawn])
        assert 0.12 < share < 0.46, pathology
    assert 0.1 < np.mean(["No Finding" in findings for findings in drawn]) < 0.16


def test_report_labels_follow_the_settings():
    findings = frozenset({"Edema", "Lung Opacity"})
    clean = PhantomSettings(label_noise=0, uncertain=0, blank=0)
    assert report_labels(np.random.default_rng(0), findings, clean) == true_labels(findings)
    silent = PhantomSettings(label_noise=0, uncertain=0, blank=1)
    written = report_labels(np.random.default_rng(0), findings, silent)
    assert {name for name, label in zip(LABEL_COLUMNS, written, strict=True) if label} == findings
    unsure = PhantomSettings(label_noise=0, uncertain=1, blank=0)
    written = report_labels(np.random.default_rng(0), findings, unsure)
    assert written == ["0.0"] + ["-1.0"] * 13
