import pytest
import torch
import yaml

from chexseg.errors import InputError
from chexseg.stages.validate import run


@pytest.fixture
def study(phantom_copy, tmp_path, monkeypatch):
    """Writes a config of a study of the phantom."""
    monkeypatch.chdir(tmp_path)

    def write(**changes):
        config = {
            "study": "s",
            "data": {"root": str(phantom_copy)},
            "classifiers": {"c": {"architecture": "resnet18", "initial_weights": "none"}},
            "segmenters": {"full": {"masks": ["expert"], "initial_weights": "c"}},
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(config | changes, sort_keys=False))
        return path

    return write


def test_a_good_study_is_reported(study, tmp_path, capsys):
    run(configfile=(study(),), report=tmp_path / "report.txt")
    text = capsys.readouterr().out
    assert (tmp_path / "report.txt").read_text() == text
    assert text.startswith("study 's': 1 segmenters\n\nconfig    no problems\n")
    assert "42 X-rays decoded" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_phantom_needs_no_data(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("study: s\nphantom: {}\n")
    run(configfile=(tmp_path / "c.yaml",))
    assert "generated when the workflow runs" in capsys.readouterr().out


def test_data_and_weights_are_told_together_by_group(study, phantom_copy, tmp_path, capsys):
    table = phantom_copy / "CheXpert/train.csv"
    table.write_text(table.read_text().replace(",1.0", ",7", 1))
    (phantom_copy / "CheXlocalize/gt_segmentations_val.json").write_text("{")
    next((phantom_copy / "CheXpert/test").rglob("*.jpg")).write_bytes(b"")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pt")
    config = study(
        segmenters={
            "a": {"masks": ["expert"], "initial_weights": str(tmp_path / "absent.pt")},
            "b": {"masks": ["expert"], "initial_weights": str(tmp_path / "other.pt")},
        }
    )
    with pytest.raises(InputError) as caught:
        run(configfile=(config,), report=tmp_path / "report.txt")
    groups = [problem.group for problem in caught.value.problems]
    assert groups == ["tables", "masks", "X-rays", "weights", "weights"]
    out = capsys.readouterr().out
    assert "tables    1 problem\n" in out
    assert "weights   2 problems\n" in out
    report = (tmp_path / "report.txt").read_text()
    assert report.startswith(out)
    assert "\ntables: 1 problem\n  " in report
    assert "found '7'" in report


def test_a_wrong_config_and_wrong_data_are_told_together(study, phantom_copy, tmp_path, capsys):
    (phantom_copy / "CheXpert/train.csv").write_text("")
    with pytest.raises(InputError) as caught:
        run(configfile=(study(segmenter={}),), report=tmp_path / "report.txt")
    assert [problem.group for problem in caught.value.problems] == ["config", "tables"]
    out = capsys.readouterr().out
    assert out.startswith(
        "study: the config is invalid\n\nconfig    1 problem\ntables    1 problem\n"
    )
    assert (tmp_path / "report.txt").read_text().startswith(out)


def test_data_that_a_wrong_config_does_not_tell_are_not_looked_at(study, capsys):
    with pytest.raises(InputError) as caught:
        run(configfile=(study(data={"rot": "elsewhere"}),))
    assert {problem.group for problem in caught.value.problems} == {"config"}
    out = capsys.readouterr().out
    assert "data: not checked\n" in out
    assert "X-rays    not checked\nweights   not checked\n" in out
