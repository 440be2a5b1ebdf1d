"""X-rays that are not where a table says, tables of other data sets, and views that nothing says."""

import subprocess
import sys
from pathlib import Path

import pytest

from chexseg.data.layouts.chexpert_tables import find_images, read_part
from chexseg.data.layouts.places import OTHERS
from chexseg.data.layouts.release import assemble, refuse_assumed_views
from chexseg.errors import Problems
from chexseg.stages.check_data import _assumed
from tests.unit.data.tables import HEADER, PATIENT, read, write

BATCHES = ("CheXpert-v1.0 batch 2 (train 1)", "CheXpert-v1.0 batch 3 (train 2)")
X_RAYS = (PATIENT, PATIENT.replace("00001", "22222"))


def touch(*files):
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def found_in(table, root):
    problems = Problems()
    rows, _ = read(table)
    return list(find_images(rows, table, root, problems)), problems.found


@pytest.mark.parametrize("split", ["", "train/"], ids=["without train/", "with train/"])
@pytest.mark.parametrize("of_table", ["CheXpert", "CheXpert-v1.0 batch 1 (validate & csv)", "."])
def test_x_rays_are_found_in_batches(tmp_path, split, of_table):
    """Beside the folder of the table, or in it."""
    for batch, x_ray in zip(BATCHES, X_RAYS, strict=True):
        touch(tmp_path / batch / f"{split}{x_ray}")
    (tmp_path / of_table).mkdir(exist_ok=True)
    rows = [{"Path": f"CheXpert-v1.0/train/{x_ray}"} for x_ray in X_RAYS]
    paths, problems = found_in(write(tmp_path / of_table / "train.csv", rows), tmp_path)
    assert paths == [f"{b}/{split}{x}" for b, x in zip(BATCHES, X_RAYS, strict=True)]
    assert problems == []


def test_a_folder_that_may_not_be_listed_has_no_batches(tmp_path, obedient):
    (tmp_path / "closed/CheXpert").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o311)
    code = "import sys, pathlib; from chexseg.data.layouts.places import batches_of; "
    code += "print(batches_of(pathlib.Path(sys.argv[1])))"
    asked = [sys.executable, "-c", code, str(tmp_path / "closed/CheXpert")]
    done = subprocess.run(asked, preexec_fn=obedient, capture_output=True, text=True)
    (tmp_path / "closed").chmod(0o755)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_an_x_ray_next_to_its_table_comes_first(tmp_path):
    touch(tmp_path / BATCHES[0] / PATIENT, tmp_path / "train" / PATIENT)
    paths, problems = found_in(
        write(tmp_path / "t.csv", [{"Path": f"CheXpert-v1.0/train/{PATIENT}"}]), tmp_path
    )
    assert (paths, problems) == ([f"train/{PATIENT}"], [])


@pytest.mark.parametrize("number", [1, 4])
def test_a_remedy_names_the_folder_that_has_the_x_rays(tmp_path, number):
    x_rays = [PATIENT.replace("00001", f"0000{n}") for n in range(number)]
    touch(*(tmp_path / "downloads/of today" / x_ray for x_ray in x_rays))
    (tmp_path / "CheXpert").mkdir()
    table = write(tmp_path / "CheXpert/t.csv", [{"Path": f"train/{x_ray}"} for x_ray in x_rays])
    _, (problem,) = found_in(table, tmp_path)
    place, target = tmp_path / "downloads/of today", tmp_path / "CheXpert/train"
    assert problem.remedy == f"The file is in {place}: move or link what is there to {target}."


def test_no_row_is_to_be_deleted_if_no_x_ray_is_there(tmp_path):
    rows = [{"Path": f"train/patient0000{n}/study1/view1_frontal.jpg"} for n in range(4)]
    _, (problem,) = found_in(write(tmp_path / "t.csv", rows), tmp_path)
    assert problem.remedy.startswith("Fetch the X-rays, or correct data.root: see config/README.md")
    _, (problem,) = found_in(write(tmp_path / "t.csv", rows[:1]), tmp_path)
    assert problem.remedy == "Fetch the X-ray, or delete the row."


@pytest.mark.parametrize("data_set", OTHERS)
def test_a_table_of_another_data_set_is_one_problem(tmp_path, data_set):
    columns = (*OTHERS[data_set], "Pleural Other", "Edema")
    rows = [dict.fromkeys(columns, "1")] * 9
    _, (problem,) = read(write(tmp_path / "t.csv", rows, columns))
    assert problem.found == f"a table of {data_set}"
    assert "data.layout" in problem.remedy
    assert "config/README.md" in problem.remedy
    assert "Pleural Other" not in problem.remedy


def test_paths_of_another_data_set_are_one_problem(tmp_path):
    rows = [{"Path": f"files/p10/p1000003{n}/s5041426{n}/x.jpg"} for n in range(9)]
    _, (problem,) = read(write(tmp_path / "t.csv", rows))
    assert problem.found.startswith(
        "9 paths, none of which is one of CheXpert; for one, 'files/p10"
    )
    _, problems = read(write(tmp_path / "t.csv", [*rows, {"Path": f"train/{PATIENT}"}]))
    assert len(problems) == 9  # the table is of CheXpert: each of them is wrong by itself


def test_the_section_that_remedies_name_is_there():
    text = (Path(__file__).parents[4] / "config/README.md").read_text()
    assert "\n## The data\n" in text


@pytest.mark.parametrize(
    ("name", "cell", "assumed"),
    [
        ("a1b2c3.jpg", "", True), ("a1b2c3.jpg", "Frontal", False), ("a1b2c3.jpg", "Lateral", False),
        ("view1_frontal.jpg", "", False), ("view1_lateral.jpg", "", False),
    ],
)  # fmt: skip
def test_views_that_nothing_says_are_counted_and_can_be_refused(tmp_path, name, cell, assumed):
    x_ray = f"train/patient00001/study1/{name}"
    touch(tmp_path / x_ray)
    table = write(tmp_path / "t.csv", [{"Path": x_ray, "Frontal/Lateral": cell}], HEADER)
    part = read_part(table, tmp_path, ("Edema",))
    assert part.assumed_views == ((f"{table}:2:Path",) if assumed else ())
    release = assemble(tmp_path, {"train": part}, {}, findings=("Edema",), pathologies=())
    refused, warnings = refuse_assumed_views(release), _assumed(release)
    assert (len(refused), len(warnings)) == (int(assumed), int(assumed))
    if assumed:
        assert warnings[0].startswith(
            "1 X-rays of train have no view in the table or the file name"
        )
        assert refused[0].where == f"{table}:2:Path"
