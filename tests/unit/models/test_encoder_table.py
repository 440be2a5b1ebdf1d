"""The tables of networks say what building the networks shows."""

import csv
from importlib.metadata import version

import pytest

from chexseg import catalog
from chexseg.config.networks import ARCHITECTURE_TABLE, ENCODER_TABLE
from chexseg.models import encoder_table
from chexseg.models.encoder_table import architecture_row, candidates, encoder_row

pytestmark = pytest.mark.slow

SAMPLE = [
    "resnet18", "densenet121", "vgg11", "mobilenet_v2", "mit_b0", "efficientnet-b0",
    "tu-resnet18", "tu-convnext_atto", "tu-mobilenetv3_small_050", "tu-pvt_v2_b0",
]  # fmt: skip
REFUSED = ["tu-vit_tiny_patch16_224", "tu-swin_tiny_patch4_window7_224"]


def rows_of(table):
    with table.open(newline="") as file:
        next(file)
        return {next(iter(row.values())): row for row in csv.DictReader(file)}


@pytest.mark.parametrize("table", [ENCODER_TABLE, ARCHITECTURE_TABLE], ids=lambda path: path.stem)
def test_the_versions_are_those_installed(table):
    head = table.read_text().splitlines()[0]
    for package in ("segmentation-models-pytorch", "timm"):
        assert f"{package} {version(package)}" in head


@pytest.mark.parametrize("name", SAMPLE)
def test_rows_of_encoders(name):
    assert encoder_row(name) == rows_of(ENCODER_TABLE)[name]


@pytest.mark.parametrize("name", REFUSED)
def test_an_encoder_that_no_decoder_takes(name, capsys):
    row = encoder_row(name)
    assert set(row) == set(rows_of(ENCODER_TABLE)["resnet18"])
    assert not any(value for column, value in row.items() if column != "encoder")
    assert f"{name}, unet: " in capsys.readouterr().err
    assert name not in rows_of(ENCODER_TABLE)


@pytest.mark.parametrize("name", catalog.METHODS["architecture"])
def test_rows_of_architectures(name):
    assert architecture_row(name) == rows_of(ARCHITECTURE_TABLE)[name]


def test_the_tables_have_a_column_for_every_decoder_and_only_candidates():
    rows = rows_of(ENCODER_TABLE)
    columns = set(rows["resnet18"])
    assert columns == {"encoder", "imagenet", "parameters", *catalog.METHODS["decoder"]}
    assert set(rows) <= set(candidates())
    assert set(rows_of(ARCHITECTURE_TABLE)) == set(catalog.METHODS["architecture"])


def test_the_tables_are_written_whole(tmp_path, monkeypatch):
    for name in ("ENCODER_TABLE", "ARCHITECTURE_TABLE"):
        monkeypatch.setattr(encoder_table, name, tmp_path / f"{name}.csv")
    monkeypatch.setattr(encoder_table, "candidates", lambda: ["resnet18", *REFUSED[:1]])
    encoder_table.main()
    assert list(rows_of(tmp_path / "ENCODER_TABLE.csv")) == ["resnet18"]
    written = (tmp_path / "ARCHITECTURE_TABLE.csv").read_bytes()
    assert written == ARCHITECTURE_TABLE.read_bytes()
