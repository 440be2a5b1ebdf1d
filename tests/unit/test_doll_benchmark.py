"""benchmarks/doll.py: which contrasts answer which question, and the tables that it prints."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from chexseg.config.contrasts import contrasts_of
from chexseg.config.study import load_study

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def benchmarks_are_importable(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def comparisons_of(contrasts):
    rows = [
        (name, metric, pathology, f"{name}_run,{name}_run-seed_1", f"{name}_other", 0.1, low, 0.2)
        for name, low in contrasts.items()
        for metric in ("dice", "iou_dataset")
        for pathology in ("Heart", "mean")
    ]
    columns = [
        "contrast",
        "metric",
        "pathology",
        "run",
        "against",
        "difference",
        "ci_low",
        "ci_high",
    ]
    return pd.DataFrame(rows, columns=columns)


ONE_EACH = {
    "doll_vs_one_model_100": 0.05, "doll_vs_cam_5": 0.05, "doll_vs_doll_encoder_10": -0.05,
    "doll_vs_scratch_5": 0.05, "doll_adapters_vs_full_10": 0.05, "doll_vs_scratch_100": 0.05,
}  # fmt: skip


def test_every_contrast_of_the_config_answers_a_question_but_those_of_many_labels():
    from doll import CONFIG, contrasts

    named = set(contrasts_of(load_study(ROOT / CONFIG)))
    others = {f"doll_vs_{run}_{share}" for run in ("scratch", "classifier") for share in (25, 100)}
    assert named - set(contrasts()) == others
    assert set(contrasts().values()) == {contrasts()[name] for name in named - others}


def test_the_phantom_of_the_study_chose_no_setting():
    from doll import CHOSEN_ON, CONFIG

    assert yaml.safe_load((ROOT / CONFIG).read_text())["seed"] not in CHOSEN_ON


def test_answers_are_means_in_the_order_of_the_questions():
    from doll import COLUMNS, answers

    rows = answers(comparisons_of(ONE_EACH))
    assert list(rows) == COLUMNS
    assert rows["run"].tolist()[::2] == [
        "doll_vs_scratch_5_run", "doll_vs_doll_encoder_10_run", "doll_vs_cam_5_run",
        "doll_vs_one_model_100_run", "doll_adapters_vs_full_10_run",
    ]  # fmt: skip
    assert rows["metric"].tolist() == ["dice", "iou_dataset"] * 5
    assert rows.loc[0, ["question", "against", "difference", "ci_low", "ci_high"]].tolist() == [
        "Does it help with few labels?", "doll_vs_scratch_5_other", 0.1, 0.05, 0.2,
    ]  # fmt: skip


def test_a_question_without_a_contrast():
    from doll import answers

    contrasts = {name: low for name, low in ONE_EACH.items() if "cam" not in name}
    with pytest.raises(KeyError, match="Grad-CAM"):
        answers(comparisons_of(contrasts))


def test_the_table_says_what_is_clear():
    from doll import answers, table_of_answers

    lines = table_of_answers(answers(comparisons_of(ONE_EACH))).splitlines()
    assert len(lines) == 2 + 5
    assert lines[2] == (
        "| Does it help with few labels? | `doll_vs_scratch_5_run` | `doll_vs_scratch_5_other` | "
        "+0.100 | +0.050 to +0.200 | better |"
    )
    assert lines[3].endswith("-0.050 to +0.200 | tie |")


def test_speed_is_the_mean_over_seeds():
    from doll import table_of_speed

    columns = ["training", "trainable_parameters", "peak_memory_mb", "steps_to_95", "seconds_to_95"]
    rows = [("segmenters/a", 1200, 100, 10, 2), ("segmenters/a-seed_1", 1200, 200, 30, 4)]
    averages = pd.DataFrame([("a", "a,a-seed_1")] * 2, columns=["run", "runs"])
    lines = table_of_speed(pd.DataFrame(rows, columns=columns), averages).splitlines()
    assert lines[2:] == ["| `a` | 1,200 | 20 | 3 | 150 |"]
