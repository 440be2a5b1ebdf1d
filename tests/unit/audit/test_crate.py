import errno
import json
import zipfile
from pathlib import Path

import pytest

from chexseg.audit.crate import write_crate
from chexseg.audit.study import Study
from chexseg.errors import InputError
from chexseg.provenance.digests import sha256


@pytest.fixture
def entities(study, tmp_path):
    write_crate(Study(study), tmp_path / "crate")
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def of_type(entities, name):
    return [e for e in entities.values() if name in listed(e["@type"])]


def refers(entities, entity, key):
    return [entities[reference["@id"]] for reference in listed(entity.get(key))]


def test_the_root_has_what_the_profiles_demand(entities):
    root = entities["./"]
    assert {"name", "description", "datePublished", "license", "mainEntity"} <= set(root)
    profiles = {reference["@id"] for reference in root["conformsTo"]}
    assert {
        f"https://w3id.org/ro/wfrun/{p}/0.5" for p in ("process", "workflow", "provenance")
    } < profiles
    descriptor = entities["ro-crate-metadata.json"]
    assert "https://w3id.org/ro/crate/1.1" in str(descriptor["conformsTo"])
    workflow = entities[root["mainEntity"]["@id"]]
    types = {"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"}
    assert set(workflow["@type"]) == types
    assert workflow["programmingLanguage"]["@id"].endswith("#snakemake")


def test_every_reference_is_in_the_crate(entities):
    for entity in entities.values():
        for key, value in entity.items():
            for each in listed(value):
                if isinstance(each, dict) and key not in ("conformsTo", "identifier", "url"):
                    assert each["@id"] in entities, (entity["@id"], key)


def test_every_job_is_an_action_of_a_tool_that_a_step_names(study, entities):
    jobs = Study(study).jobs
    actions = [e for e in of_type(entities, "CreateAction") if e["@id"] != "#run"]
    assert len(actions) == len(jobs)
    tools = refers(entities, entities["Snakefile"], "hasPart")
    for action in actions:
        (tool,) = refers(entities, action, "instrument")
        assert tool in tools
        assert action["startTime"] <= action["endTime"]
        assert action["result"]
    steps = refers(entities, entities["Snakefile"], "step")
    assert [refers(entities, s, "workExample")[0] for s in steps] == tools
    assert all(s["@type"] == "HowToStep" and s["position"].isdigit() for s in steps)
    controls = of_type(entities, "ControlAction")
    assert {c["instrument"]["@id"] for c in controls} == {s["@id"] for s in steps}
    assert {c["object"]["@id"] for c in controls} == {a["@id"] for a in actions}
    (organize,) = of_type(entities, "OrganizeAction")
    assert organize["result"] == {"@id": "#run"}
    assert len(organize["object"]) == len(controls)
    assert entities["#run"]["instrument"] == {"@id": "Snakefile"}


def test_parameters_and_examples_point_at_each_other(entities):
    for parameter in of_type(entities, "FormalParameter"):
        assert parameter["additionalType"] in ("File", "Text")
        for example in refers(entities, parameter, "workExample"):
            assert {"@id": parameter["@id"]} in listed(example["exampleOfWork"])


def test_files_are_named_by_their_content_and_none_is_copied(study, entities, tmp_path):
    files = {e["name"]: e for e in of_type(entities, "File") if "sha256" in e}
    checkpoint = files["segmenters/full/checkpoint.pt"]
    assert checkpoint["@id"].startswith("ni:///sha-256;")
    assert checkpoint["sha256"] == sha256(study / checkpoint["name"])
    assert checkpoint["contentSize"] == str((study / checkpoint["name"]).stat().st_size)
    copied = {p.relative_to(tmp_path / "crate").as_posix() for p in (tmp_path / "crate").rglob("*")}
    assert "records/segmenters/full/checkpoint.pt.provenance.json" in copied
    assert "segmenters/full/checkpoint.pt" not in copied
    assert "workflow/rules/segmenters.smk" in copied
    (x_rays,) = of_type(entities, "Collection")
    assert x_rays["name"] == "3 X-rays"


def test_artifacts_can_be_copied_and_a_zip_be_written(study, tmp_path):
    write_crate(Study(study), tmp_path / "crate.zip", copy_files=True)
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        assert archive.read("summary.csv") == (study / "summary.csv").read_bytes()
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    assert not any(e["@id"].startswith("ni:") for e in graph)
    assert any(e["@id"] == "segmenters/full/checkpoint.pt" for e in graph)


def test_raw_data_are_described_and_never_copied(home, tmp_path):
    write_crate(Study("results/real"), tmp_path / "crate", copy_files=True)
    graph = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@graph"]
    raw = {e["name"]: e for e in graph if e["@id"].startswith("ni:")}
    assert raw["data/CheXpert/train.csv"]["sha256"] == sha256("data/CheXpert/train.csv")
    assert not (tmp_path / "crate/data").exists()


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("full", "a folder with files"), ("file", "a file"), ("folder.zip", "a folder"),
        ("results/mini/new", "a place inside the study"), ("link/c.zip", "a place inside"),
        ("results/mini", "a place inside the study"), ("file/crate", "a file"),
    ],
)  # fmt: skip
def test_where_no_crate_can_be(study, target, found):
    Path("full/of").mkdir(parents=True)
    Path("file").touch()
    Path("folder.zip").mkdir()
    Path("link").symlink_to(study)
    before = sorted(Path().rglob("*"))
    with pytest.raises(InputError, match=f"found {found}"):
        write_crate(Study(study), Path(target))
    assert sorted(Path().rglob("*")) == before


def test_an_empty_folder_is_filled_and_half_a_crate_is_not_left(study, monkeypatch):
    Path("crate").mkdir()
    write_crate(Study(study), Path("crate"))
    assert Path("crate/ro-crate-metadata.json").is_file()
    monkeypatch.setattr("rocrate.rocrate.ROCrate.write", fail_half_way)
    before = sorted(Path().rglob("*"))
    with pytest.raises(InputError, match="No space left on device"):
        write_crate(Study(study), Path("new"))
    assert sorted(Path().rglob("*")) == before


def fail_half_way(crate, path):
    path.mkdir()
    (path / "Snakefile").touch()
    raise OSError(errno.ENOSPC, "No space left on device")
