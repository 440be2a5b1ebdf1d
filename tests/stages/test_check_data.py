import re

import pytest

from chexseg.data.layouts.release import read_release
from chexseg.errors import InputError
from chexseg.stages import check_data
from tests.stages.release_files import release_files


def check(root, out, second=(), **changes):
    files = release_files(root)
    files["inputs"]["radiologist_masks"] = second
    check_data.run(**files, out=out, **changes)
    return out.read_text()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where digests are remembered


def numbers(text, start):
    """The numbers of the first line that starts so."""
    line = next(line for line in text.splitlines() if line.startswith(start))
    return [int(n) for n in re.findall(r"\d+", line.removeprefix(start))]


def test_counts_of_the_phantom(phantom, tmp_path, capsys):
    text = check(phantom, tmp_path / "out" / "report.txt")
    assert capsys.readouterr().out == text
    rows = (phantom / "CheXpert/train.csv").read_text().splitlines()[1:]
    lateral = sum(",Lateral," in row for row in rows)
    patients = len({row.split("/")[2] for row in rows})
    assert numbers(text, "train  ") == [24, lateral, patients]
    assert numbers(text, "test  ")[:2] == [8, 0]
    assert "0 patients are in two splits." in text
    train, validation, test = re.split(r"\n\n(?=(?:train|validation|test) )", text)[1:]
    for block, n in ((train, 24), (validation, 10), (test, 8)):
        lines = [re.findall(r"(\d+|-)", line[28:]) for line in block.splitlines()[1:15]]
        assert [sum(map(int, line[:4])) for line in lines] == [n] * 14
    assert numbers(validation, "Airspace Opacity")[0] == numbers(validation, "Airspace Opacity")[5]
    assert re.search(r"^Fracture .* -$", validation, re.M)
    assert re.search(r"^Edema .* -$", train, re.M)
    assert "42 X-rays decoded, with " in text
    assert text.endswith("No warnings.\n")
    assert max(map(len, text.splitlines())) <= 100


def test_masks_of_a_second_reader_are_checked_and_not_counted(phantom, tmp_path):
    second = phantom / "CheXlocalize/hb_segmentations_test.json"
    text = check(phantom, tmp_path / "a", second=(second,))
    assert text == check(phantom, tmp_path / "b")
    with pytest.raises(InputError, match="No such file"):
        check(phantom, tmp_path / "c", second=(phantom / "absent.json",))


def test_threads_do_not_change_the_report(phantom, tmp_path):
    assert check(phantom, tmp_path / "a") == check(phantom, tmp_path / "b", threads=3)


def test_a_report_of_fewer_pathologies(phantom, tmp_path):
    text = check(phantom, tmp_path / "a", pathologies=("Edema",))
    assert numbers(text.partition("\nvalidation  ")[2].partition("\n\n")[2], "Edema")
    assert len(re.findall(r"^Cardiomegaly .* -$", text, re.M)) == 3


def test_without_decoding_only_headers_are_read(phantom_copy, tmp_path):
    image = next((phantom_copy / "CheXpert/train").rglob("*frontal*"))
    image.write_bytes(b"")
    assert "decoded" not in check(phantom_copy, tmp_path / "a", decode=False)
    with pytest.raises(InputError, match="an empty file"):
        check(phantom_copy, tmp_path / "b")


def test_names_are_no_orders_to_a_terminal(phantom_copy, tmp_path):
    old = next((phantom_copy / "CheXpert/train").rglob("*frontal*"))
    new = old.with_name("view1\x9b2J_frontal.jpg")
    new.write_bytes(old.read_bytes())
    table = phantom_copy / "CheXpert/train.csv"
    row = next(r for r in table.read_text().splitlines() if "/".join(old.parts[-3:]) in r)
    table.write_text(table.read_text() + row.replace(old.name, new.name) + "\n")
    text = check(phantom_copy, tmp_path / "a")
    assert r"view1\x9b2J_frontal.jpg" in text
    assert "\x9b" not in text


def test_few_x_rays_are_under_way_at_once(phantom, monkeypatch):
    """Memory does not grow with the number of X-rays: they are taken in parts."""
    parts = []

    class Watched(check_data.ThreadPoolExecutor):
        def map(self, look, part):
            parts.append(len(part))
            return super().map(look, part)

    monkeypatch.setattr(check_data, "AT_ONCE", 5)
    monkeypatch.setattr(check_data, "ThreadPoolExecutor", Watched)
    release = read_release("chexpert", **release_files(phantom))
    assert len(check_data.survey(release, 2).paths) == 42
    assert parts == [10, 10, 10, 10, 2]
