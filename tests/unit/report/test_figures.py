"""What every figure promises; what it draws is looked at, not tested."""

import dataclasses
import subprocess
import sys

import pytest

from chexseg.catalog import load, names
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Inputs

FIGURES = names("figure")


@pytest.mark.parametrize("name", FIGURES)
class TestContract:
    def test_roles_and_settings_are_known(self, name):
        figure = load("figure", name)
        assert set(figure.roles) <= {field.name for field in dataclasses.fields(Inputs)}
        assert set(figure.settings) <= set(FigureSettings.model_fields)
        assert len(set(figure.roles)) == len(figure.roles) > 0

    def test_the_report_can_show_it(self, name):
        figure = load("figure", name)
        assert figure.suffix in (".png", ".svg", ".html")
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


def test_titles_of_a_category_differ():
    shown = [(load("figure", name).category, load("figure", name).title) for name in FIGURES]
    assert len(set(shown)) == len(shown)


def test_the_caption_of_the_gallery_says_that_masks_are_gated_by_the_label():
    assert "use the label of the test X-ray" in load("figure", "gallery").description
