"""Figures and tables of sweeps: axes, points, and what stands in them."""

import pandas as pd
import pytest

from chexseg.config.settings import FigureSettings
from chexseg.config.study import read_study
from chexseg.report import result, sweep
from chexseg.report.axis import axis_of, main_factor
from chexseg.report.figure import Inputs, Published, figures_of, published_beside
from chexseg.report.pictures import save
from chexseg.report.points import Point, counts_text, points_of
from tests.unit.config.small_config import good

RUNS = """\
run,sweep,of,expert,encoder,initial_weights,seed
full,,full,1,resnet18,none,0
both,,both,0.9,resnet18,none,0
radiologists,,,,,,
both-expert_0.1,rho,both,0.1,resnet18,none,0
both-expert_0.1-seed_1,rho,both,0.1,resnet18,none,1
both,rho,both,0.9,resnet18,none,0
both-seed_1,rho,both,0.9,resnet18,none,1
both-expert_unweighted,rho,both,unweighted,resnet18,none,0
both-expert_unweighted-seed_1,rho,both,unweighted,resnet18,none,1
"""
GROUPS = {
    "full": ("full",),
    "both": ("both", "both-seed_1"),
    "both-expert_0.1": ("both-expert_0.1", "both-expert_0.1-seed_1"),
    "both-expert_unweighted": ("both-expert_unweighted", "both-expert_unweighted-seed_1"),
    "radiologists": ("radiologists",),
}
SCORES = {"full": 0.2, "both": 0.3, "both-expert_0.1": 0.1, "both-expert_unweighted": 0.25,
          "radiologists": 0.7}  # fmt: skip
PAPER = Published("paper", "both", "iou_dataset", 0.27, "the test set", "A & B 2021")


@pytest.fixture
def inputs(tmp_path):
    averages, summary = [], []
    for group, runs in GROUPS.items():
        for metric, add in (("iou_dataset", 0.0), ("false_positives", 0.1)):
            value = SCORES[group] + add
            averages += [{
                "run": group, "runs": ",".join(runs), "metric": metric, "pathology": pathology,
                "value": value, "ci_low": value - 0.02, "ci_high": value + 0.03, "n_images": 480,
                "n_seeds": len(runs),
            } for pathology in ("Edema", "mean")]  # fmt: skip
            summary += [{"run": run, "pathology": "mean", "metric": metric,
                         "value": value + 0.01 * n} for n, run in enumerate(runs)]  # fmt: skip
    pd.DataFrame(averages).to_csv(tmp_path / "averages.csv", index=False)
    pd.DataFrame(summary).to_csv(tmp_path / "summary.csv", index=False)
    (tmp_path / "runs.csv").write_text(RUNS)
    (tmp_path / "comparisons.csv").write_text(
        "contrast,run,against,metric,pathology,difference,ci_low,ci_high,p_holm\n"
        "gain,both,full,iou_dataset,mean,0.1,0.05,0.15,0.03\n"
        "gain,both,full,false_positives,mean,0.1,0.05,0.15,0.03\n"
    )
    files = {
        name: tmp_path / f"{name}.csv" for name in ("averages", "summary", "runs", "comparisons")
    }
    return Inputs(**files, sweep="rho", factors=("expert",), published=(PAPER,))


class TestAxis:
    def test_even_numbers_stand_as_they_are_and_words_on_the_right(self):
        axis = axis_of("expert", ["0.1", "0.5", "0.9", "unweighted"])
        assert axis.numeric
        assert axis.apart == ("unweighted",)
        assert axis.places == pytest.approx({"0.1": 0.1, "0.5": 0.5, "0.9": 0.9, "unweighted": 1.3})
        assert axis.border == pytest.approx(1.1)

    def test_numbers_that_double_are_equally_far_apart(self):
        axis = axis_of("images", ["20", "5", "10", "40", "5"])
        assert list(axis.places) == ["5", "10", "20", "40"]
        steps = [
            b - a for a, b in zip(axis.places.values(), [*axis.places.values()][1:], strict=False)
        ]
        assert steps == pytest.approx([0.6931, 0.6931, 0.6931], abs=1e-4)

    def test_zero_has_no_logarithm(self):
        assert axis_of("x", ["0", "1", "10"]).places == {"0": 0, "1": 1, "10": 10}

    @pytest.mark.parametrize("texts", [["none", "resnet18"], ["5", "none"], ["5"], ["nan", "inf"]])
    def test_words_or_a_single_number_are_rows(self, texts):
        axis = axis_of("start", texts)
        assert not axis.numeric
        assert axis.places == {text: n for n, text in enumerate(texts)}

    def test_the_factor_with_most_numbers_has_the_axis(self):
        points = [Point({"of": of, "images": n}, {}, {}) for of in "abcd" for n in ("5", "10")]
        assert main_factor(points, ("of", "images")) == "images"
        words = [Point({"of": of, "start": s}, {}, {}) for of in "abc" for s in ("x", "y")]
        assert main_factor(words, ("start", "of")) == "of"


def test_points_have_the_seeds_of_their_runs(inputs):
    points = points_of(inputs)
    assert [point.levels["expert"] for point in points] == ["0.1", "0.9", "unweighted"]
    assert points[0].seeds["iou_dataset"] == pytest.approx([0.1, 0.11])
    assert points[1].scores["iou_dataset"]["ci_high"] == pytest.approx(0.33)
    assert [point.published for point in points] == [(), (PAPER,), ()]
    assert counts_text(points) == "n = 480 X-rays, 2 seeds for each point"


def test_series_are_named_by_the_other_factors():
    points = [Point({"of": of, "images": n, "encoder": "x"}, {}, {}) for of in "ab" for n in "12"]
    series = sweep.series_of(points, "images")
    assert {name: [p.levels["images"] for p in found] for name, found in series.items()} == {
        "a, encoder x": ["1", "2"], "b, encoder x": ["1", "2"],
    }  # fmt: skip


@pytest.mark.parametrize("factor", ["expert", "initial_weights"])
def test_curves_and_dots_are_the_same_each_time(inputs, tmp_path, factor):
    for suffix in ("png", "pdf", "svg"):
        made = []
        for number in (1, 2):
            out = tmp_path / f"{number}.{suffix}"
            given = Inputs(**{**vars(inputs), "factors": (factor,)})
            save(sweep.draw(given, FigureSettings()), out)
            made.append(out.read_bytes())
        assert made[0] == made[1]
        assert len(made[0]) > 5000


def test_the_table_of_a_sweep(inputs):
    table = sweep.tabulate(inputs, FigureSettings())
    (panel,) = table.panels
    assert panel.columns == ["seeds", "X-rays", "iou_dataset", "false_positives"]
    assert [row.name for row in panel.rows] == [
        "0.1", "0.9", "unweighted", "both, published (A & B 2021; the test set)",
    ]  # fmt: skip
    assert [cell.text for cell in panel.rows[0].cells] == ["2", "480", "0.100", "0.200"]
    assert panel.rows[0].cells[2].note == "0.080 – 0.130"
    assert [cell.text for cell in panel.rows[3].cells] == ["–", "–", "0.270", "–"]
    assert table.data[["expert", "metric", "value"]].iloc[:2].to_numpy().tolist() == [
        ["0.1", "iou_dataset", 0.1], ["0.1", "false_positives", 0.2],
    ]  # fmt: skip


def test_the_result_has_the_runs_that_the_config_names_and_what_is_published(inputs):
    scores, differences = result.draw(inputs, FigureSettings()).panels
    assert [(row.name, row.kind) for row in scores.rows] == [
        ("full", ""), ("both", ""), ("radiologists", ""),
        ("both, published (A & B 2021; the test set)", "published"),
    ]  # fmt: skip
    assert [row.cells[2].best for row in scores.rows[:3]] == [False, True, False]
    assert [row.cells[3].best for row in scores.rows[:3]] == [True, False, False]  # lower is better
    (gain,) = differences.rows
    assert [cell.text for cell in gain.cells] == ["+0.100", "+0.100"]
    assert [cell.note.rpartition(": ")[2] for cell in gain.cells] == ["better", "worse"]
    assert "Holm's p = 0.030" in gain.cells[0].note


def test_published_scores_stand_where_segmenters_are_compared_as_they_are():
    sweeps = {"a": {"of": ["full", "both"], "seeds": 2}, "b": {"of": "both", "expert": [0.5, 0.9]}}
    paper = {"value": 0.27, "data": "x, y", "source": "z"}
    published = {"one": {**paper, "run": "both"}, "two": paper,
                 "three": {**paper, "run": "full", "metric": "dice"}}  # fmt: skip
    study = read_study(good(sweeps=sweeps, published=published))
    one, two = 'one,both,iou_dataset,0.27,"x, y",z', 'two,,iou_dataset,0.27,"x, y",z'
    assert published_beside(study) == [one, two]  # dice is no metric of this study
    assert published_beside(study, "a") == [one]
    assert published_beside(study, "b") == []


def test_each_sweep_has_a_figure_and_a_table():
    sweeps = {"a": {"of": "full", "seeds": 2}, "b": {"of": "both", "expert": [0.5]}}
    drawn = figures_of(read_study(good(sweeps=sweeps)))
    assert [stem for stem in drawn if "sweep" in stem] == [
        "sweep-a", "sweep-b", "sweep_table-a", "sweep_table-b",
    ]  # fmt: skip
    assert drawn["sweep_table-b"][::2] == ("sweep_table", "b")
    assert not [stem for stem in figures_of(read_study(good())) if "sweep" in stem]


def test_a_sweep_of_segmenters_that_are_not_scored_has_no_figure():
    start = {"masks": ["expert"], "scored": False, "initial_weights": "none"}
    segmenters = {"full": {"masks": ["expert"], "initial_weights": "none"}, "start": start}
    sweeps = {"a": {"of": "start", "seeds": 2}, "b": {"of": ["full", "start"], "seeds": 2}}
    study = read_study(good(segmenters=segmenters, sweeps=sweeps, contrasts={}))
    assert list(study.sweeps) == ["a", "b"]
    assert [stem for stem in figures_of(study) if "sweep" in stem] == ["sweep-b", "sweep_table-b"]
