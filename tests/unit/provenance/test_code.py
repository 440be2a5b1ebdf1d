import shutil

import pytest

from chexseg import catalog
from chexseg.cli import NAMES
from chexseg.provenance.code import PACKAGE, _path_of, code_of, read_module

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
    assert set(code_of("toy", {}, package())) == {
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
        (("stages/toy.py", "rate: float", "rate: int"), {"chexseg.stages.toy:Settings"}),
        (("stages/toy.py", "out, settings", "out: Base, settings"), {"chexseg.stages.toy:run"}),
        (("losses/dice.py", "loss(x)", "loss(x: Hint) -> Hint"), set()),
        (("losses/dice.py", "EPS = 1", "EPS: int = 1"), set()),
        (("losses/dice.py", "x + EPS", "(x  +  EPS)"), set()),
    ],
)
def test_what_an_edit_changes(package, edit, changed):
    before, after = code_of("toy", {}, package()), code_of("toy", {}, package(edit))
    assert {name for name in before if after.get(name) != before[name]} == changed
    assert set(after) == set(before)


def test_a_new_call_brings_its_code(package):
    edit = ("stages/toy.py", "    lately()", "    lately(not_called())")
    assert "chexseg.stages.toy:not_called" in code_of("toy", {}, package(edit))


METHODS = {
    "chexseg/methods/base.py": "class Method:\n    def maps(self):\n        return 1\n",
    "chexseg/methods/one.py": "from chexseg.methods.base import Method\nclass One(Method):\n    pass\n",
    "chexseg/methods/two.py": "class Two:\n    pass\n",
    "elsewhere/__init__.py": "raise RuntimeError('it is read, and not imported')\n",
    "elsewhere/three.py": "import numpy\nfrom . import parts\nfrom .parts.late import *\n"
    "from chexseg.methods.base import Method\nclass Three(Method):\n    scale, late = parts.SCALE, lately\n",
    "elsewhere/parts/__init__.py": "SCALE = 2\n",
    "elsewhere/parts/late.py": "from ..other import lately\n",
    "elsewhere/other.py": "def lately():\n    pass\ndef never():\n    pass\n",
    "single.py": "def four():\n    pass\n",
}
PLACES = {
    "one": "chexseg.methods.one:One", "two": "chexseg.methods.two:Two",
    "three": "elsewhere.three:Three", "four": "single:four",
}  # fmt: skip


@pytest.fixture
def with_methods(tmp_path, monkeypatch):
    """Makes the stage `toy` with methods of its package and of others; returns its code.

    Edits are texts laid behind a file. Python finds the other packages, and imports nothing.
    """
    made = iter(range(100))
    toy = catalog.Stage("toy", methods={"method": "toys"})
    monkeypatch.setattr(catalog, "STAGES", (toy,))
    monkeypatch.setitem(catalog.METHODS, "toys", PLACES)
    monkeypatch.setattr(catalog, "_places", catalog._places.__wrapped__)

    def code(arguments, edits=()):
        root = tmp_path / f"methods{next(made)}"
        for file, text in {"chexseg/stages/toy.py": "def run(): pass\n", **METHODS}.items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + dict(edits).get(file, ""))
        with monkeypatch.context() as patch:
            patch.syspath_prepend(root)
            patch.setattr("chexseg.provenance.code.read_module", read_module.__wrapped__)
            _path_of.cache_clear()
            return code_of("toy", arguments, root / "chexseg")

    return code


@pytest.mark.parametrize(
    ("arguments", "reached"),
    [
        ({}, set()),
        ({"other": "one"}, set()),
        ({"method": "one"}, {"chexseg.methods.one:One", "chexseg.methods.base:Method"}),
        ({"method": ["two"]}, {"chexseg.methods.two:Two"}),
        (
            {"method": ("one", "two")},
            {"chexseg.methods.one:One", "chexseg.methods.base:Method", "chexseg.methods.two:Two"},
        ),
        (
            {"method": "three"},
            {
                "elsewhere.three:Three", "elsewhere.parts:SCALE", "elsewhere.other:lately",
                "chexseg.methods.base:Method",
            },
        ),
        ({"method": "four"}, {"single:four"}),
    ],
)  # fmt: skip
def test_the_methods_that_a_command_names_are_followed(with_methods, arguments, reached):
    assert set(with_methods(arguments)) == {"chexseg.stages.toy:run", *reached}


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("chexseg/methods/one.py", "One.x = 1\n", {"one"}),
        ("chexseg/methods/two.py", "Two.x = 1\n", {"two"}),
        ("chexseg/methods/base.py", "Method.x = 1\n", {"one", "three"}),
        ("elsewhere/three.py", "Three.x = 1\n", {"three"}),
        ("elsewhere/other.py", "lately.x = 1\n", {"three"}),
        ("single.py", "four.x = 1\n", {"four"}),
        ("chexseg/stages/toy.py", "run.x = 1\n", set(PLACES)),
    ],
)
def test_an_edited_method_counts_for_the_commands_that_name_it(with_methods, file, text, changes):
    def codes(edits=()):
        return {name: with_methods({"method": name}, edits) for name in PLACES}

    before, after = codes(), codes([(file, text)])
    assert {name for name in PLACES if before[name] != after[name]} == changes


def test_an_unknown_method_is_an_error(with_methods):
    with pytest.raises(KeyError, match="five"):
        with_methods({"method": "five"})


@pytest.mark.parametrize("stage", NAMES)
def test_every_name_that_a_stage_imports_is_found(stage):
    """No import of the package may point nowhere: its code would not count."""
    for place in code_of(stage, {}):
        module = read_module(place.partition(":")[0])
        for target, name in set().union(*module.imports.values()):
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
    assert code_of("toy", {}, tmp_path / "chexseg") == {
        "chexseg.stages.toy:run": "03ee8a09c0005c0b"
    }


def test_a_copy_elsewhere_has_the_same_digests(tmp_path):
    copy = shutil.copytree(PACKAGE, tmp_path / "chexseg")
    assert code_of("train-segmenter", {}, copy) == code_of("train-segmenter", {})
