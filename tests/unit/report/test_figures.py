"""What every figure promises; what it draws is looked at, not tested."""

import dataclasses
import subprocess
import sys

import pytest

from chexseg.catalog import load, names
from chexseg.config.settings import FigureSettings
from chexseg.config.study import read_study
from chexseg.report.figure import Inputs, entries_to_show
from tests.unit.config.small_config import good

FIGURES = names("figure")


@pytest.mark.parametrize("name", FIGURES)
class TestContract:
    def test_roles_and_settings_are_known(self, name):
        figure = load("figure", name)
        assert set(figure.roles) <= {field.name for field in dataclasses.fields(Inputs)}
        assert set(figure.settings) <= set(FigureSettings.model_fields)
        assert set(figure.bounded) <= set(figure.roles)
        assert len(set(figure.roles)) == len(figure.roles) > 0

    def test_the_report_can_show_it(self, name):
        figure = load("figure", name)
        assert figure.formats in ((".png", ".pdf", ".svg"), (".html", ".csv", ".tex"))
        assert figure.category
        assert figure.title
        assert figure.description.endswith(".")

    def test_loading_it_imports_nothing_heavy(self, name):
        code = (
            f"import sys; from chexseg.catalog import load; load('figure', {name!r});"
            "print(*{'numpy', 'pandas', 'matplotlib', 'torch'} & {*sys.modules})"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (found.stdout.split(), found.returncode) == ([], 0)


def test_every_setting_of_figures_is_one_of_a_figure():
    read = {setting for name in FIGURES for setting in load("figure", name).settings}
    assert read == set(FigureSettings.model_fields)


def test_of_many_entries_those_that_the_config_writes_are_shown():
    written = {f"s{n}": {"masks": ["irnet"]} for n in range(11)}
    sweeps = {"many": {"of": "both", "irnet": [0.2, 0.3], "masks.irnet.walk.beta": [4, 6]}}
    study = read_study(good(segmenters=written, sweeps=sweeps))
    irnets = ["irnet", "irnet-walk.beta_4", "irnet-walk.beta_6"]
    assert [name for name in study.masks if name[:5] == "irnet"] == irnets
    segmenters = [f"segmenters/{name}" for name in ("full", "both", *written)]
    swept = [f"segmenters/both-irnet.walk.beta_{beta}-irnet_0.2" for beta in (4, 6)]
    entries = [f"affinity/{name}" for name in irnets] + segmenters + swept
    assert len(entries) == 18
    written = ("affinity/irnet", *segmenters)
    assert entries_to_show(study, entries) == written  # the others are of sweeps
    assert entries_to_show(study, entries[2:]) == ()  # 16: all
    assert entries_to_show(study, entries[::-1]) == written[::-1]
    many = [f"trainings/{n}" for n in range(20)]
    assert entries_to_show(study, many) == tuple(many[:16])


def test_titles_of_a_category_differ():
    shown = [(load("figure", name).category, load("figure", name).title) for name in FIGURES]
    assert len(set(shown)) == len(shown)


def test_the_caption_of_the_gallery_says_that_masks_are_gated_by_the_label():
    assert "use the label of the test X-ray" in load("figure", "gallery").description
