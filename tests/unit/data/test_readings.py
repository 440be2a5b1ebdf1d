"""What readers saw, and the labels that follow."""

import pytest

from chexseg.data.boxes import Box
from chexseg.data.readings import Reading, read_readings, write_readings
from chexseg.errors import InputError

ILD, HEART = Box("a", "R1", "ILD", 1, 2.5, 3, 4), Box("a", "R2", "Cardiomegaly", 0, 0, 9, 9)


def test_readings_are_read_as_they_were_written(tmp_path):
    readings = {"a": Reading(("R1", "R2", "R3"), (ILD, HEART)), "b": Reading(("R4",), ())}
    write_readings(tmp_path / "b.csv", readings)
    assert (tmp_path / "b.csv").read_text().splitlines() == [
        "cxr_id,reader,finding,x_min,y_min,x_max,y_max",
        "a,R1,ILD,1,2.5,3,4",
        "a,R2,Cardiomegaly,0,0,9,9",
        "a,R3,,,,,",
        "b,R4,,,,,",
    ]
    assert read_readings(tmp_path / "b.csv") == readings


def test_labels_are_those_of_most_readers():
    other = ILD._replace(reader="R2")
    three = ("R1", "R2", "R3")
    assert Reading(three, (ILD, other)).label("ILD") == 1
    assert Reading(three, (ILD, HEART)).label("ILD") == -1
    assert Reading(three, (ILD, ILD)).label("ILD") == -1  # one reader, two boxes
    assert Reading(three, (HEART,)).label("ILD") == 0
    assert Reading(three, (ILD, HEART)).label("Abnormality") == 1
    assert Reading(("consensus",), (HEART._replace(reader="consensus"),)).label("Cardiomegaly") == 1
    assert Reading(three, (ILD, HEART)).of(["ILD"]) == Reading(three, (ILD,))


@pytest.mark.parametrize(
    "text", ["", "cxr_id\na\n", "cxr_id,reader,finding,x_min,y_min,x_max,y_max\na,R,ILD,x,1,2,3\n"]
)
def test_another_table_is_refused(tmp_path, text):
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(InputError, match="an unreadable table of boxes"):
        read_readings(tmp_path / "b.csv")
    with pytest.raises(InputError, match="an unreadable table of boxes"):
        read_readings(tmp_path / "absent.csv")
