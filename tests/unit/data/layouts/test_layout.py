"""What every layout promises, and one that comes from outside the package."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from chexseg import catalog
from chexseg.config.settings import IndexSettings
from chexseg.config.study import read_study
from chexseg.data.index import findings_of, positives_of, read_index
from chexseg.data.layouts.chexpert import (
    COMMON,
    COMPETITION,
    FINDINGS,
    LABEL_COLUMNS,
    PATHOLOGIES,
    CheXpert,
    column_of,
)
from chexseg.data.layouts.layout import FIXED_COLUMNS, PARTS
from chexseg.data.layouts.release import COLUMNS, read_release
from chexseg.errors import InputError
from chexseg.stages import build_index
from tests.unit.data.layouts.folders import ORGANS, make_folders
from tests.unit.data.layouts.scans import Scans, make_scans


@pytest.fixture
def scans(monkeypatch, tmp_path):
    """Data in a layout of another package: its folder."""
    point = EntryPoint("scans", f"{Scans.__module__}:Scans", "chexseg.layout")
    found = {"chexseg.layout": [point]}
    monkeypatch.setattr(catalog, "entry_points", lambda group: found.get(group, []))
    catalog._places.cache_clear()
    yield make_scans(tmp_path / "scans")
    catalog._places.cache_clear()


# What every layout promises


@pytest.fixture(params=["chexpert", "folder", "scans"])
def data(request, scans, phantom, tmp_path):
    """Name of a layout, a folder of data in it, and the pathologies of these data."""
    name = request.param
    layout = catalog.load("layout", name)
    if name == "folder":  # it has no classes of its own
        return name, make_folders(tmp_path / "folders"), ORGANS
    return name, {"chexpert": phantom, "scans": scans}[name], layout.pathologies


def test_a_release_has_the_fixed_columns_and_a_column_for_each_finding(data):
    name, root, pathologies = data
    layout = catalog.load("layout", name)
    release = read_release(name, root, layout().files(root), pathologies=pathologies)
    assert release.problems == []
    assert {*COLUMNS, "split", "height", "width", *layout.findings} == set(release.table)
    assert (release.findings, release.pathologies) == (layout.findings, pathologies)
    assert set(release.table["split"]) <= set(PARTS)
    assert release.table["cxr_id"].is_unique
    labels = release.table[list(layout.findings)]
    assert labels.empty or labels.isin([1, 0, -1]).any(axis=None)
    for path in release.frontal["path"]:
        assert (root / path).is_file()
        assert not Path(path).is_absolute()
    for part, roles in layout.masks.items():
        assert set(roles) <= set(layout.roles)
        rows = release.frontal[release.frontal["split"] == part]
        assert rows[["height", "width"]].notna().all(axis=None)
        assert all(set(entry) == set(pathologies) for entry in release.truth(part).values())


def test_names_of_a_layout_fit_together(data):
    layout = catalog.load("layout", data[0])
    assert set(layout.pathologies) <= set(layout.findings)
    assert set(layout.selecting_findings) <= set(layout.findings)
    assert set(layout.selecting_pathologies) <= set(layout.pathologies)
    assert not set(layout.renamed) & {*layout.findings, *layout.pathologies}
    assert not set(FIXED_COLUMNS) & {*layout.findings, *layout.pathologies}


def test_the_x_rays_of_a_layout_are_counted(data):
    name, root, _ = data
    layout = catalog.load("layout", name)()
    counts = read_release(name, root, layout.files(root)).frontal["split"].value_counts()
    assert layout.count(root) == {part: counts.get(part, 0) for part in PARTS}
    assert set(layout.count(root / "absent")) == set(PARTS)


# Roles


def test_files_stand_in_the_order_of_the_roles_and_optional_ones_may_be_none():
    assert tuple(CheXpert.roles) == (
        "train_csv", "val_csv", "test_csv", "val_masks", "test_masks", "radiologist_masks",
    )  # fmt: skip
    files = CheXpert(train_csv="t.csv").files("d")
    assert tuple(files) == tuple(CheXpert.roles)
    assert CheXpert.optional_roles == ("radiologist_masks",)
    assert files["train_csv"] == [Path("d/t.csv")]
    assert files["radiologist_masks"] == []
    assert Scans(outlines=("a", "b")).files("d")["outlines"] == [Path("d/a"), Path("d/b")]


def test_a_role_takes_as_many_files_as_it_says():
    files = CheXpert(radiologist_masks="r.json").files("d")
    CheXpert.check_given(files)
    CheXpert.check_given({**files, "radiologist_masks": []})
    wrong = {**files, "val_csv": [], "test_csv": [Path("a"), Path("b")]}
    wrong["radiologist_masks"] = [Path("a"), Path("b")]
    with pytest.raises(InputError) as caught:
        CheXpert.check_given(wrong)
    assert [(p.where, p.found) for p in caught.value.problems] == [
        ("--val-csv", "no file"), ("--test-csv", "2 files"), ("--radiologist-masks", "2 files"),
    ]  # fmt: skip
    Scans.check_given({"table": [Path("a")]})
    Scans.check_given({"table": [Path("a")], "outlines": [Path("a"), Path("b")]})


def test_an_unknown_layout_proposes_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'chexpert'"):
        read_release("cheXpart", Path(), {})


# CheXpert's names


def test_the_names_of_chexpert():
    assert (len(FINDINGS), len(PATHOLOGIES), len(COMPETITION), len(COMMON)) == (14, 10, 5, 4)
    assert tuple(column_of(finding) for finding in FINDINGS) == LABEL_COLUMNS
    changed = [(a, b) for a, b in zip(LABEL_COLUMNS, FINDINGS, strict=True) if a != b]
    assert changed == [("Lung Opacity", "Airspace Opacity")]


# From outside the package


def test_a_layout_from_outside_is_read_from_config_to_index(scans, tmp_path, capsys):
    config = {"study": "s", "data": {"layout": "scans", "root": str(scans)}}
    data = read_study(config).data
    assert data.findings == data.pathologies == ("Tuberculosis",)
    assert data.mask_files(scans, "test") == [scans / "outlines.json"]
    assert data.mask_files(scans, "train") == []
    build_index.run(
        layout=data.layout,
        inputs=data.files(scans),
        root=scans,
        findings=data.findings,
        pathologies=data.pathologies,
        settings=IndexSettings(expert_fraction=0.5),
        out=tmp_path / "index.csv",
    )
    index = read_index(tmp_path / "index.csv")
    assert findings_of(index) == ("Tuberculosis",)
    assert list(index["patient"]) == ["0", "1", "2", "3", "4"]
    assert sorted(index["split"]) == ["expert", "test", "train", "train", "validation"]
    assert positives_of(index, ("Tuberculosis",))[:, 0].tolist() == [False, True] * 2 + [False]
    assert index.loc["00000004_000", ["height", "width"]].tolist() == [40, 32]


def test_keys_of_another_layout_are_unknown(scans):
    config = {
        "study": "s",
        "data": {"layout": "scans", "root": "d", "tables": "x", "train_csv": "y"},
    }
    with pytest.raises(InputError) as caught:
        read_study(config)
    assert [(p.found, p.remedy) for p in caught.value.problems] == [
        ("unknown key 'data.tables'", "Did you mean 'table'?"),
        ("unknown key 'data.train_csv'", "Did you mean 'outlines'?"),
    ]
