"""The benchmarks keep up with the stages, and the pages with the benchmarks."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from benchmarks.comparison import comparison
from chexseg.catalog import load, names
from chexseg.cli import NAMES
from chexseg.config.methods import inputs_of
from chexseg.config.phantom import PhantomSettings
from chexseg.data.phantom.release import make_release
from chexseg.scheduling.gpu_rates import GPURates, gpu_rates
from tests.workflow.test_dag import DEMO

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results"


@pytest.fixture(autouse=True)
def benchmarks_import_each_other(monkeypatch):
    """As they do when one of them is the script."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def rows_of_stages(sources):
    """Names of the rows that tables have of the stages that read X-rays, or their scores.

    average-seeds reads what compare-runs reads, and does less with it.
    """
    others = (
        *("fetch-weights", "extract-epoch", "list-runs", "list-trainings", "list-agreement"),
        *("average-seeds", "list-boxes"),
    )
    rows = [name for name in NAMES if name not in others]
    at = rows.index("make-masks")
    return {*rows[:at], *(f"make-masks {source}" for source in sources), *rows[at + 1 :]}


def test_memory_is_measured_of_every_stage_and_source_of_masks():
    from memory import COMMANDS, OUT
    from names import row_name

    # Boxes need data that have them, and are drawn in no time.
    expected = rows_of_stages([n for n in names("mask_source") if not load("mask_source", n).boxes])
    assert {row_name(command) for command in COMMANDS} == expected
    assert list(pd.read_csv(ROOT / OUT)["stage"]) == [row_name(command) for command in COMMANDS]


def test_every_loss_is_compared_with_the_formula_of_dice():
    import torch
    from losses import compared, plain_dice

    from chexseg.losses.dice import dice_loss

    assert {name.split(",")[0] for name in compared()} == {
        "plain",
        *(name for name in names("loss") if "truth" in inputs_of("loss", name)),
    }
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 100.0]]]])
    truth = torch.tensor([[[[True, False]], [[False, True]]]])
    # Half of each pixel: 2 * 0.5 / (1 + 1); half of one and one: 2 * 1 / (1.5 + 1).
    assert plain_dice(logits, truth).item() == pytest.approx(1 - (0.5 + 0.8) / 2)
    assert dice_loss(logits, truth).item() == pytest.approx(0.35)


def test_memory_hardly_grows_with_the_x_rays():
    from memory import BAR, MOST_KB, MOST_PERCENT, OUT

    table = pd.read_csv(ROOT / OUT)
    assert set(table["bar"]) == {BAR}
    assert ((table["growth_percent"] < MOST_PERCENT) | (table["kb_per_x_ray"] < MOST_KB)).all()


def test_memory_grows_by_megabytes_and_x_rays():
    from memory import growth

    assert growth(100, 110, more=1000) == pytest.approx((10, 10))


def test_the_row_of_a_command():
    from names import row_name

    assert row_name("make-masks --index i.csv --source irnet --out m.h5") == "make-masks irnet"
    assert row_name("train-segmenter --sources expert irnet") == "train-segmenter"


def test_the_page_of_costs_shows_what_was_measured(monkeypatch):
    monkeypatch.chdir(ROOT)
    from cost_page import OUT, PAGE, with_tables

    page = PAGE.read_text()
    assert with_tables(page, pd.read_csv(OUT), gpu_rates()) == page


def test_the_page_of_costs_says_of_each_rate_where_it_is_from(tmp_path):
    from cost_page import gpu_rows

    path = tmp_path / "gpu.csv"
    path.write_text(
        "work,setting,gflops,cores,device,date\n"
        "train-irnet,as the stage,12000,,Some GPU,2027-01-02\n"
    )
    assumed, measured = gpu_rows(GPURates()), gpu_rows(gpu_rates(path), path)
    assert {source for _, _, source in assumed} == {"**assumed**"}
    assert len(assumed) == len(measured) == 8
    changed = [row for row in measured if row not in assumed]
    assert changed == [
        ("a GPU, `train-irnet`", "12,000 billion/s", "measured: Some GPU, 2027-01-02")
    ]


def test_the_rate_of_a_core_by_hand():
    """Saliency: DenseNet-121 has 11.6 billion operations; 80 X-rays in 8 s are 116 billion/s."""
    from cost_page import OUT, core_rates

    table = pd.read_csv(ROOT / OUT)
    table.loc[table["stage"] == "compute-saliency", "core_seconds"] = 8.0
    assert core_rates(table)["compute-saliency"] == pytest.approx(116, rel=0.01)


def test_the_page_of_the_cluster_shows_the_plan():
    from plan import OUT, page

    assert page(pd.read_csv(OUT)) in (ROOT / "docs/cluster.md").read_text()


def test_the_page_of_the_method_shows_the_coverage_which_holds():
    from coverage import OUT, page

    table = pd.read_csv(ROOT / OUT)
    assert page(table) in (ROOT / "docs/method.md").read_text()
    assert table["ours"].between(0.93, 0.97).all()
    assert set(table["n_seeds"]) == {3, 4, 5}


@pytest.mark.slow
def test_the_plan_is_that_of_the_cost_model(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    from plan import OUT, STUDIES, row_of

    row, written = row_of(*STUDIES[0]), pd.read_csv(OUT).iloc[0]
    for name, value in row.items():
        assert value == (
            written[name] if name == "data" else pytest.approx(written[name], rel=1e-3)
        )


def test_records_cost_what_the_page_says_and_less_than_the_bar():
    from records import BAR

    rows = pd.read_csv(RESULTS / "records.csv").set_index("what")
    told, page = rows.loc["all"], (ROOT / "docs/provenance.md").read_text()
    stages = rows_of_stages(("drawn", "threshold", "irnet")) - {"compute-histograms"}  # of the demo
    tables = {"list-runs", "list-trainings", "average-seeds"}
    assert set(rows.index) == {*stages, *tables, "a start of snakemake", "all"}
    assert told["jobs"] == sum(DEMO.values())
    assert told["percent"] < BAR
    assert f"Of the demo's {told['stage_seconds']:,.0f} s of stages" in page
    assert f"digests take {told['record_seconds']:.1f} s: **{told['percent']:.1f} %**" in page


def test_the_readme_shows_the_evidence_that_was_measured():
    from evidence import OUT, RUNS_OUT, table_of_differences, table_of_runs

    page = (ROOT / "README.md").read_text()
    assert table_of_runs(pd.read_csv(ROOT / RUNS_OUT)) in page
    assert table_of_differences(pd.read_csv(ROOT / OUT)) in page


def test_the_page_shows_what_make_study_found():
    import study

    page, points = (ROOT / "docs/method.md").read_text(), pd.read_csv(ROOT / study.RUNS_OUT)
    for sweep in set(points["sweep"]):
        assert study.table_of_points(points, sweep) in page, sweep
    differences = pd.read_csv(ROOT / study.OUT)
    for named in (True, False):
        assert study.table_of_differences(differences, named=named) in page
    config = yaml.safe_load((ROOT / "config/phantom-study.yaml").read_text())
    assert set(points["sweep"]) == set(config["sweeps"])


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.1, 0.3, "better"), (-0.1, 0.5, "tie"), (0.0, 0.4, "tie"), (-0.3, -0.1, "worse")],
)
def test_an_interval_that_contains_0_is_a_tie(low, high, word):
    from differences import cells, verdict

    row = SimpleNamespace(
        run="a", against="b", difference=(low + high) / 2, ci_low=low, ci_high=high
    )
    assert verdict(row) == word
    assert cells(row) == f"`a` | `b` | {(low + high) / 2:+.3f} | {low:+.3f} to {high:+.3f}"


def test_the_evidence_is_that_of_its_runs():
    from evidence import OUT, PHANTOMS, RUNS_OUT, differences

    values = pd.read_csv(ROOT / RUNS_OUT)
    assert set(values["phantom"]) == set(PHANTOMS)
    pd.testing.assert_frame_equal(differences(values), pd.read_csv(ROOT / OUT))


def test_differences_by_hand():
    """Of 0.1, 0.2 and 0.3, the standard error is 0.1 / sqrt(3), and t(0.975, 2) is 4.302653."""
    from evidence import interval

    assert interval([0.1, 0.2, 0.3]) == pytest.approx(
        (0.2, 0.2 - 0.248414, 0.2 + 0.248414), abs=1e-6
    )


def test_no_phantom_of_the_evidence_chose_a_setting():
    from evidence import CHOSEN_ON, PHANTOMS, STUDY

    assert not {*PHANTOMS, STUDY} & set(CHOSEN_ON)
    assert STUDY not in PHANTOMS
    seeds = {
        path.stem: yaml.safe_load(path.read_text()).get("seed", 0)
        for path in (ROOT / "config").glob("*.yaml")
    }
    assert seeds.pop("phantom-study") == STUDY
    assert seeds.pop("demo") in CHOSEN_ON
    assert not set(seeds.values()) & {*PHANTOMS, STUDY}


def test_phantoms_of_the_evidence_share_no_x_ray(tmp_path):
    from evidence import CHOSEN_ON, PHANTOMS, STUDY

    x_rays, seeds = [], (*PHANTOMS, *CHOSEN_ON, STUDY)
    for seed in seeds:
        root = tmp_path / str(seed)
        sizes = {"train_images": 2, "val_images": 4, "test_images": 2, "longest_side": 64}
        make_release(root, PhantomSettings(**sizes, seed=seed))
        x_rays += [path.read_bytes() for path in sorted(root.rglob("*.jpg"))]
    assert len(x_rays) == len(set(x_rays)) >= 8 * len(seeds)


@pytest.mark.parametrize(
    ("difference", "least_ratio", "held"),
    [(0.1, 2.0, True), (0.1, 2.1, False), (0.2, 2.0, False), (0.1, None, True), (0.2, None, False)],
)
def test_a_bar_is_missed_by_a_difference_or_a_ratio(difference, least_ratio, held):
    row = comparison(
        "work", "peer", ours_seconds=1, peer_seconds=2, difference=difference,
        most_difference=0.1, least_ratio=least_ratio,
    )  # fmt: skip
    assert (row["ratio"], row["held"]) == (2, held)
    assert ("ratio" in row["bar"]) == (least_ratio is not None)
