from pathlib import Path

import pytest

from chexseg.data.layouts.chexpert_tables import find_images, read_labels
from chexseg.errors import Problems
from tests.unit.data.tables import PATIENT, read_well, write


def place(root, image):
    file = root / image
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"an X-ray")
    return file


def find(root, path):
    table, problems = read_well(path), Problems()
    return list(find_images(table, path, root, problems)), problems.found


def test_a_table_without_rows_has_no_x_rays(tmp_path):
    assert find(tmp_path, write(tmp_path / "t.csv", [])) == ([], [])


def test_x_rays_lie_beside_the_table(tmp_path):
    place(tmp_path, f"CheXpert/train/{PATIENT}")
    path = write(tmp_path / "CheXpert/t.csv", [{"Path": f"CheXpert-v1.0/train/{PATIENT}"}])
    assert find(tmp_path, path) == ([f"CheXpert/train/{PATIENT}"], [])


@pytest.mark.parametrize(
    ("written", "there"), [("valid", "val"), ("val", "valid"), ("val", "val"), ("valid", "valid")]
)
def test_valid_and_val_are_one_folder(tmp_path, written, there):
    place(tmp_path, f"{there}/{PATIENT}")
    path = write(tmp_path / "t.csv", [{"Path": f"CheXpert-v1.0/{written}/{PATIENT}"}])
    assert find(tmp_path, path) == ([f"{there}/{PATIENT}"], [])


def test_root_and_table_may_be_written_in_different_ways(tmp_path, monkeypatch):
    place(tmp_path, f"data/train/{PATIENT}")
    write(tmp_path / "data/t.csv", [{"Path": f"train/{PATIENT}"}])
    monkeypatch.chdir(tmp_path)
    for root in (Path("data"), tmp_path / "data", Path("data/../data")):
        for path in (Path("data/t.csv"), tmp_path / "data/t.csv"):
            assert find(root, path) == ([f"train/{PATIENT}"], [])


def test_an_absent_x_ray_is_told_with_its_row(tmp_path):
    place(tmp_path, f"train/{PATIENT}")
    rows = [{"Path": f"train/{PATIENT}"}, {"Path": "train/patient2/study1/view1_frontal.jpg"}]
    path = write(tmp_path / "t.csv", rows)
    _, found = find(tmp_path, path)
    assert [(p.where, p.found, p.remedy) for p in found] == [
        (
            f"{path}:3:Path",
            f"no file {tmp_path}/train/patient2/study1/view1_frontal.jpg",
            "Fetch the X-ray, or delete the row.",
        )
    ]


def test_a_table_whose_x_rays_are_all_absent_is_one_problem(tmp_path):
    rows = [{"Path": f"train/patient{n}/study1/view1_frontal.jpg"} for n in range(5)]
    path = write(tmp_path / "t.csv", rows)
    _, found = find(tmp_path, path)
    assert [p.where for p in found] == [f"{path}:2:Path"]
    assert found[0].found.startswith("none of the 5 X-rays; for one, no file ")


def test_a_lacking_prefix_is_proposed(tmp_path):
    place(tmp_path, f"train/{PATIENT}")
    path = write(tmp_path / "t.csv", [{"Path": PATIENT}])
    _, found = find(tmp_path, path)
    expected = f"The file is there below 'train': write train/{PATIENT}."
    assert [p.remedy for p in found] == [expected]


@pytest.mark.parametrize(
    "image", ["train/{}/" + PATIENT, "train/\x00" + PATIENT, "train/loop/" + PATIENT]
)
def test_paths_that_no_file_system_takes(tmp_path, image):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "loop").symlink_to("loop")
    path = write(tmp_path / "t.csv", [{"Path": image.format("x" * 5000)}])
    problems = Problems()
    find_images(read_labels(path, problems), path, tmp_path, problems)
    assert [p.where for p in problems.found] == [f"{path}:2:Path"]


def test_a_wrong_prefix_is_proposed_for_removal(tmp_path):
    place(tmp_path, f"train/{PATIENT}")
    path = write(tmp_path / "t.csv", [{"Path": f"my/copy/train/{PATIENT}"}])
    _, found = find(tmp_path, path)
    expected = "The file is there without the prefix 'my/copy': remove it."
    assert [p.remedy for p in found] == [expected]


@pytest.mark.parametrize("way", ["dots", "absolute", "link to a file", "link to a folder"])
def test_an_x_ray_outside_the_root_is_refused(tmp_path, way):
    root, outside = tmp_path / "root", place(tmp_path, f"outside/{PATIENT}")
    (root / "train").mkdir(parents=True)
    image = f"train/{PATIENT}"
    if way == "dots":
        image = f"../outside/{PATIENT}"
    elif way == "absolute":
        image = str(outside)
    elif way == "link to a file":
        (root / image).parent.mkdir(parents=True)
        (root / image).symlink_to(outside)
    else:
        (root / "linked").symlink_to(tmp_path / "outside")
        image = f"linked/{PATIENT}"
    path = write(root / "t.csv", [{"Path": image}])
    _, found = find(root, path)
    assert [(p.where, p.found, p.expected) for p in found] == [
        (f"{path}:2:Path", repr(image), f"an X-ray inside {root}")
    ]


def test_a_link_that_stays_inside_the_root_is_followed(tmp_path):
    place(tmp_path, f"valid/{PATIENT}")
    (tmp_path / "val").symlink_to("valid")
    path = write(tmp_path / "t.csv", [{"Path": f"val/{PATIENT}"}])
    assert find(tmp_path, path) == ([f"valid/{PATIENT}"], [])


def test_split_folders_and_the_folder_of_the_table_may_be_links(tmp_path):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    place(elsewhere, f"big/train/{PATIENT}")
    root.mkdir()
    (root / "train").symlink_to(elsewhere / "big" / "train")
    (root / "CheXpert").symlink_to(elsewhere / "big")
    expected = [str((elsewhere / "big" / "train" / PATIENT).resolve())]
    path = write(root / "t.csv", [{"Path": f"train/{PATIENT}"}])
    assert find(root, path) == (expected, [])
    path = write(root / "CheXpert" / "t.csv", [{"Path": f"train/{PATIENT}"}])
    assert find(root, path) == (expected, [])
