"""The graphs of the shipped configs: nothing runs."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DEMO = {
    "make_phantom": 1, "check_data": 1, "build_index": 1, "store_images": 2,
    "train_classifier": 2, "compute_saliency": 2, "make_masks": 4, "make_masks_on_gpu": 2,
    "label_affinity": 2, "train_irnet": 1, "compute_affinity": 2,
    "score_masks": 1, "train_segmenter": 4, "predict_masks": 4, "count_overlaps": 5, "list_runs": 1,
    "list_trainings": 1, "score_runs": 1, "average_seeds": 1, "compare_runs": 1, "draw_figure": 9, "write_table": 2,
}  # fmt: skip
CHEXPERT = {
    **{rule: 16 * count // 2 for rule, count in DEMO.items() if count == 2},
    **{rule: count for rule, count in DEMO.items() if count != 2 and rule != "make_phantom"},
    "make_masks": 32,
    "train_classifier": 2,
    "fetch_weights": 3,
    "count_overlaps": 4,
    "write_table": 2,
}
CONFIG = {
    "make_phantom": 1, "check_data": 1, "build_index": 1, "store_images": 1, "make_masks": 2, "score_masks": 1,
    "train_classifier": 1, "compute_saliency": 1, "train_segmenter": 3, "predict_masks": 3,
    "count_overlaps": 3, "list_runs": 1, "list_trainings": 1, "score_runs": 1, "average_seeds": 1, "compare_runs": 1,
    "draw_figure": 9, "write_table": 2,
}  # fmt: skip
PHANTOM_STUDY = {
    "make_phantom": 1, "check_data": 1, "build_index": 1, "store_images": 2, "score_masks": 1,
    "train_classifier": 6, "compute_saliency": 6, "label_affinity": 2, "train_irnet": 1,
    "compute_affinity": 2, "make_masks": 14, "make_masks_on_gpu": 16, "train_segmenter": 84,
    "predict_masks": 84, "count_overlaps": 85, "list_runs": 1, "list_trainings": 1, "score_runs": 1, "average_seeds": 1,
    "compare_runs": 1, "draw_figure": 16, "write_table": 9,
}  # fmt: skip
CHEXPERT_STUDY = {
    "check_data": 1, "build_index": 1, "store_images": 16, "score_masks": 1, "fetch_weights": 3,
    "train_classifier": 6, "compute_saliency": 48, "label_affinity": 16, "train_irnet": 1,
    "compute_affinity": 16, "make_masks": 128, "make_masks_on_gpu": 144, "train_segmenter": 99,
    "predict_masks": 99, "count_overlaps": 99, "list_runs": 1, "list_trainings": 1, "score_runs": 1, "average_seeds": 1,
    "compare_runs": 1, "draw_figure": 16, "write_table": 9,
}  # fmt: skip
DOLL = {
    "make_phantom": 1, "check_data": 1, "build_index": 1, "store_images": 2, "score_masks": 1,
    "train_classifier": 3, "compute_saliency": 12, "make_masks": 16, "list_agreement": 1,
    "train_segmenter": 78, "predict_masks": 75, "count_overlaps": 75, "list_runs": 1,
    "list_trainings": 1, "score_runs": 1, "average_seeds": 1, "compare_runs": 1, "draw_figure": 13,
    "write_table": 5,
}  # fmt: skip
CHEXPERT_DOLL = {
    "check_data": 1, "build_index": 1, "store_images": 16, "score_masks": 1, "fetch_weights": 3,
    "train_classifier": 3, "compute_saliency": 96, "make_masks": 112, "list_agreement": 1,
    "train_segmenter": 111, "extract_epoch": 3, "predict_masks": 108, "count_overlaps": 108,
    "list_runs": 1, "list_trainings": 1, "score_runs": 1, "average_seeds": 1, "compare_runs": 1,
    "draw_figure": 12, "write_table": 4,
}  # fmt: skip
SHIPPED = {
    "demo": DEMO, "chexpert": CHEXPERT, "chexpert-as-published": {**CHEXPERT, "train_classifier": 1}, "config": CONFIG, "phantom-study": PHANTOM_STUDY,
    "chexpert-study": CHEXPERT_STUDY, "doll": DOLL, "chexpert-doll": CHEXPERT_DOLL,
}  # fmt: skip


@pytest.mark.parametrize(("name", "jobs"), SHIPPED.items())
def test_dry_run_of_shipped_configs(workflow, name, jobs):
    data = workflow.folder / "data"
    for file in ("train.csv", "val_labels.csv", "test_labels.csv"):
        (data / "CheXpert").mkdir(parents=True, exist_ok=True)
        (data / "CheXpert" / file).touch()
    for file in ("gt_segmentations_val.json", "gt_segmentations_test.json"):
        (data / "CheXlocalize").mkdir(exist_ok=True)
        (data / "CheXlocalize" / file).touch()
    assert workflow.jobs(ROOT / "config" / f"{name}.yaml") == jobs


def test_all_shipped_configs_are_tried():
    assert {path.stem for path in (ROOT / "config").glob("*.yaml")} == {*SHIPPED}


@pytest.mark.slow
def test_absent_data_are_named(workflow):
    output = workflow.run(ROOT / "config" / "chexpert.yaml", "--dry-run", ok=False)
    assert "data/CheXpert/train.csv" in output


def test_typo_stops_the_workflow_with_file_row_and_column(workflow):
    config = workflow.folder / "typo.yaml"
    shutil.copy(ROOT / "config" / "demo.yaml", config)
    text = config.read_text().replace("weak_irnet: {masks: [irnet]", "weak_irnet: {masks: [irnt]")
    row = next(i for i, line in enumerate(text.splitlines(), 1) if "irnt" in line)
    config.write_text(text)
    output = workflow.run(config, "--dry-run", ok=False)
    column = text.splitlines()[row - 1].index("irnt") + 1
    assert f"{config}:{row}:{column}" in output
    assert "Did you mean 'irnet'?" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_study_without_segmenters_ends_with_its_masks(workflow, tiny):
    jobs = workflow.jobs(workflow.write({**tiny, "segmenters": {}}))
    assert jobs == {
        "make_phantom": 1, "check_data": 1, "build_index": 1, "store_images": 2, "train_classifier": 2,
        "compute_saliency": 2, "make_masks": 4, "make_masks_on_gpu": 2, "label_affinity": 2,
        "train_irnet": 1, "compute_affinity": 2, "score_masks": 1,
    }  # fmt: skip


@pytest.mark.slow
def test_no_config_at_all_is_explained(workflow):
    empty = workflow.folder / "empty.yaml"
    empty.write_text("study: nothing\n")
    output = workflow.run(empty, "--dry-run", ok=False)
    assert "neither data.root nor phantom" in output
