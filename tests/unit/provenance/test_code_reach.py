"""What counts as the code of a stage is what Python can execute in it: no more, no less."""

import pytest

from chexseg import catalog
from chexseg.cli import NAMES
from chexseg.provenance.code import code_of
from chexseg.provenance.record import flags_of
from tests.unit.provenance.reach import code_in, methods_in, modules, reached_by


@pytest.fixture(scope="module")
def code():
    """Functions and classes of the package. Constants are left out: some are but annotations."""
    return {f"{module}:{name}" for module in modules() for name in code_in(module)}


def commands():
    """Every stage by itself, and with each method that it can name."""
    for stage in catalog.STAGES:
        yield [stage.name]
        for flag, kind in stage.methods.items():
            yield from ([stage.name, f"--{flag}", name] for name in catalog.METHODS[kind])


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_the_code_of_a_command_is_what_it_can_execute(command, code):
    stage, *words = command
    reached = reached_by(stage, *methods_in(command))
    assert set(code_of(stage, flags_of(words))) & code == reached & code


def test_methods_of_every_kind_count_for_some_stage():
    """Otherwise an edit of such a method would make nothing stale."""
    assert {kind for stage in catalog.STAGES for kind in stage.methods.values()} == {
        *catalog.METHODS
    }


def test_the_oracle_sees_differences():
    """It would be no oracle if it took all for reached, or nothing."""
    moving = "chexseg.training.augmentation:augment_known"
    assert [stage for stage in NAMES if moving in reached_by(stage)] == ["train-segmenter"]
    edge = "chexseg.models.irnet:flip_averaged_edge"
    assert [stage for stage in NAMES if edge in reached_by(stage)] == ["compute-affinity"]
