import doctest

import pytest

from chexseg import errors
from chexseg.errors import (
    InputError,
    Problem,
    Problems,
    format_problems,
    near,
    nearest,
    one_line,
    printable,
)


def test_documented_example():
    results = doctest.testmod(
        errors, optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    )
    assert results.attempted == 3
    assert results.failed == 0


def test_a_problem_reads_as_a_sentence():
    problem = Problem("train.csv:7:Edema", "'2'", "1, 0, -1 or blank", "Correct the label.")
    expected = "train.csv:7:Edema: found '2', expected 1, 0, -1 or blank. Correct the label."
    assert str(problem) == expected


def test_all_problems_are_raised_at_once_in_their_order():
    problems = Problems()
    problems.raise_if_any()
    problems.add("b", "1", "2", "Mend b.")
    problems.add("a", "3", "4", "Mend a.")
    with pytest.raises(InputError) as caught:
        problems.raise_if_any()
    assert [problem.where for problem in caught.value.problems] == ["b", "a"]
    assert str(caught.value) == "b: found 1, expected 2. Mend b.\na: found 3, expected 4. Mend a."


def test_problems_are_told_by_group_one_on_a_line():
    problems = [Problem("x.jpg", "f", "e", "Mend it.", "X-rays")]
    problems += [Problem(f"t.csv:{row}", "f", "e", "Mend it.", "tables") for row in range(4)]
    problems += [Problem("elsewhere", "f", "e", "Mend it.")]
    assert format_problems(problems, most=3).splitlines() == [
        "  elsewhere: found f, expected e. Mend it.",
        "tables: 4 problems",
        "  t.csv:0: found f, expected e. Mend it.",
        "  t.csv:1: found f, expected e. Mend it.",
        "  t.csv:2: found f, expected e. Mend it.",
        "  and 1 more",
        "X-rays: 1 problem",
        "  x.jpg: found f, expected e. Mend it.",
    ]
    assert format_problems([]) == ""


def test_what_a_terminal_would_obey_is_escaped():
    text = "ü 図\n\x1b[2Jgone\r\ud800"
    assert printable(text) == "ü 図\n\\x1b[2Jgone\\r\\ud800"
    assert str(Problem("\x1b[2J", "f", "e", "Mend it.")).startswith("\\x1b[2J: found f")
    format_problems(
        [Problem("\udcff", "f", "e", "Mend it.")]
    ).encode()  # as a report or a log holds it


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2028, 0xD800, 0xDFFF])
def test_every_control_character_is_escaped(code):
    escaped = one_line(chr(code))
    assert escaped.startswith("\\")
    assert escaped.isascii()
    assert escaped.isprintable()


@pytest.mark.parametrize(("name", "expected"), [("edma", "Edema"), ("EDEMA", "Edema")])
def test_the_nearest_name(name, expected):
    assert nearest(name, ("Edema", "Pneumonia", "Atelectasis")) == expected


@pytest.mark.parametrize("name", ["", "xyz"])
def test_nearest_always_names_one(name):
    assert nearest(name, ("Edema", "Pneumonia")) in ("Edema", "Pneumonia")


@pytest.mark.parametrize(("name", "expected"), [("Odema", "Edema"), (" edema", "Edema")])
def test_a_name_that_is_near(name, expected):
    assert near(name, ("Pneumothorax", "Edema")) == expected


@pytest.mark.parametrize("name", ["Pneumonia", "Fracture", "No Finding", "Pleural Other", ""])
def test_what_is_spelt_otherwise_is_not_near(name):
    assert near(name, ("Pneumothorax", "Edema", "Pleural Effusion", "Lung Lesion")) is None
    assert near(name, ()) is None
