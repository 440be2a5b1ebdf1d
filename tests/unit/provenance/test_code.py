import shutil

import pytest

from chexseg.cli import NAMES
from chexseg.provenance.code import PACKAGE, code_of, read_module

STAGE = '''
"""What the stage does."""
from __future__ import annotations
from chexseg.losses.dice import dice_loss
from chexseg.errors import complain
import chexseg.models.trained as trained
from chexseg.files import store
UNUSED = 3
def run(*, out, settings: Settings = None):
    """Help."""
    from chexseg.late import lately
    lately()
    trained.load()
    complain()
    return dice_loss(store.KINDS)  # a comment
class Settings(Base):
    rate: float = Field(0.1, description="The rate.")
class Base:
    pass
def not_called():
    pass
'''
OTHERS = {
    "losses/dice.py": "import torch\nEPS = 1\ndef dice_loss(x):\n    return x + EPS\ndef other():\n    pass\n",
    "errors.py": "def complain():\n    pass\n",
    "models/trained.py": "def load():\n    return _one()\ndef _one():\n    return 1\n",
    "files/store.py": "KINDS = (1, 2)\nprint('imported')\n",
    "late.py": "from chexseg.again import lately\n",
    "again.py": "def lately():\n    pass\n",
}


@pytest.fixture
def package(tmp_path):
    """Makes a package with one stage; edits are (file, old, new)."""
    made = iter(range(100))

    def make(*edits):
        root = tmp_path / str(next(made)) / "chexseg"
        texts = {"stages/toy.py": STAGE, **OTHERS}
        for file, old, new in edits:
            assert old in texts[file]
            texts[file] = texts[file].replace(old, new)
        for file, text in texts.items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(text)
        return root

    return make


def test_what_a_stage_reaches(package):
    assert set(code_of("toy", package())) == {
        "chexseg.again:lately",
        "chexseg.files.store:(import)",
        "chexseg.files.store:KINDS",
        "chexseg.losses.dice:EPS",
        "chexseg.losses.dice:dice_loss",
        "chexseg.models.trained:_one",
        "chexseg.models.trained:load",
        "chexseg.stages.toy:Base",
        "chexseg.stages.toy:Settings",
        "chexseg.stages.toy:run",
    }


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (("losses/dice.py", "x + EPS", "x - EPS"), {"chexseg.losses.dice:dice_loss"}),
        (("losses/dice.py", "EPS = 1", "EPS = 2"), {"chexseg.losses.dice:EPS"}),
        (("models/trained.py", "return 1", "return 2"), {"chexseg.models.trained:_one"}),
        (("again.py", "pass", "return 1"), {"chexseg.again:lately"}),
        (("stages/toy.py", "Field(0.1", "Field(0.2"), {"chexseg.stages.toy:Settings"}),
        (("files/store.py", "'imported'", "'again'"), {"chexseg.files.store:(import)"}),
        (("files/store.py", "(1, 2)", "(1, 3)"), {"chexseg.files.store:KINDS"}),
        (("losses/dice.py", "    pass", "    return 1"), set()),
        (("errors.py", "pass", "return 1"), set()),
        (("stages/toy.py", "# a comment", "# another"), set()),
        (("stages/toy.py", "UNUSED = 3", "UNUSED = 4"), set()),
        (("stages/toy.py", '"""Help."""', '"""Other help."""'), set()),
        (("stages/toy.py", '"""What the stage does."""', ""), set()),
        (("stages/toy.py", '"The rate."', '"Its rate."'), set()),
        (("losses/dice.py", "x + EPS", "(x  +  EPS)"), set()),
    ],
)
def test_what_an_edit_changes(package, edit, changed):
    before, after = code_of("toy", package()), code_of("toy", package(edit))
    assert {name for name in before if after.get(name) != before[name]} == changed
    assert set(after) == set(before)


def test_a_new_call_brings_its_code(package):
    edit = ("stages/toy.py", "    lately()", "    lately(not_called())")
    assert "chexseg.stages.toy:not_called" in code_of("toy", package(edit))


@pytest.mark.parametrize("stage", NAMES)
def test_every_name_that_a_stage_imports_is_found(stage):
    """No import of the package may point nowhere: its code would not count."""
    for place in code_of(stage):
        module = read_module(place.partition(":")[0])
        for target, name in module.imports.values():
            if name != "*":
                found = read_module(target)
                assert name in found.definitions or name in found.imports, (place, target, name)


def test_digests_are_those_of_every_python(tmp_path):
    """Python 3.11 and 3.12 write f-strings differently; the digests were taken with 3.12."""
    path = tmp_path / "chexseg/stages/toy.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        """def run(*, out):\n    return f"{out!r:>{len('x')}} it's" 'a' f"{out['b']}"\n"""
    )
    assert code_of("toy", tmp_path / "chexseg") == {"chexseg.stages.toy:run": "03ee8a09c0005c0b"}


def test_a_copy_elsewhere_has_the_same_digests(tmp_path):
    copy = shutil.copytree(PACKAGE, tmp_path / "chexseg")
    assert code_of("train-segmenter", copy) == code_of("train-segmenter")
