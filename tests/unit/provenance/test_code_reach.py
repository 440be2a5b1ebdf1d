"""What counts as the code of a stage is what Python can execute in it: no more, no less."""

import pytest

from chexseg.cli import NAMES
from chexseg.provenance.code import code_of
from tests.unit.provenance.reach import code_in, modules, reached_by


@pytest.fixture(scope="module")
def code():
    """Functions and classes of the package. Constants are left out: some are but annotations."""
    return {f"{module}:{name}" for module in modules() for name in code_in(module)}


@pytest.mark.parametrize("stage", NAMES)
def test_the_code_of_a_stage_is_what_it_can_execute(stage, code):
    assert set(code_of(stage)) & code == reached_by(stage) & code


def test_the_oracle_sees_differences():
    """It would be no oracle if it took all for reached, or nothing."""
    loss = "chexseg.losses.dice:dice_loss"
    assert [stage for stage in NAMES if loss in reached_by(stage)] == ["train-segmenter"]
    edge = "chexseg.models.irnet:flip_averaged_edge"
    assert [stage for stage in NAMES if edge in reached_by(stage)] == ["compute-affinity"]
