import json
import zipfile
from pathlib import Path

import pytest

from chexseg.audit.crate import write_crate
from chexseg.audit.study import Study
from chexseg.errors import InputError
from chexseg.provenance.digests import sha256


def graph_of(crate):
    with zipfile.ZipFile(crate) as archive:
        return json.loads(archive.read("ro-crate-metadata.json"))["@graph"]


@pytest.fixture
def entities(study, tmp_path):
    write_crate(Study(study), tmp_path / "crate.zip")
    return {entity["@id"]: entity for entity in graph_of(tmp_path / "crate.zip")}


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
    assert {f"https://w3id.org/ro/wfrun/{p}/0.5" for p in ("process", "workflow")} < profiles
    descriptor = entities["ro-crate-metadata.json"]
    assert "https://w3id.org/ro/crate/1.1" in str(descriptor["conformsTo"])
    workflow = entities[root["mainEntity"]["@id"]]
    assert set(workflow["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert workflow["programmingLanguage"]["@id"].endswith("#snakemake")


def test_every_reference_is_in_the_crate(entities):
    for entity in entities.values():
        for key, value in entity.items():
            for each in listed(value):
                if isinstance(each, dict) and key not in ("conformsTo", "identifier", "url"):
                    assert each["@id"] in entities, (entity["@id"], key)


def test_every_job_is_an_action_of_a_tool(study, entities):
    jobs = Study(study).jobs
    actions = {e["name"]: e for e in of_type(entities, "CreateAction") if e["@id"] != "#run"}
    assert set(actions) == {f"{job.stage} of {job.artifact}" for job in jobs}
    for job in jobs:
        action = actions[f"{job.stage} of {job.artifact}"]
        (tool,) = refers(entities, action, "instrument")
        assert (tool["@type"], tool["name"]) == ("SoftwareApplication", f"chexseg {job.stage}")
        assert action["startTime"] <= action["endTime"]
        read = {each["name"] for each in refers(entities, action, "object")}
        assert {each.path for each in job.inputs} | {*job.record["settings"]} <= read
        assert action["result"]
    assert entities["#run"]["instrument"] == {"@id": "Snakefile"}
    assert {e["name"] for e in refers(entities, entities["#run"], "result")} >= {"comparisons.csv"}
    assert len(refers(entities, entities["./"], "mentions")) == len(jobs) + 1


def test_files_are_named_by_their_content_and_none_is_copied(study, entities, tmp_path):
    files = {e["name"]: e for e in of_type(entities, "File") if "sha256" in e}
    checkpoint = files["segmenters/full/checkpoint.pt"]
    assert checkpoint["@id"].startswith("ni:///sha-256;")
    assert checkpoint["sha256"] == sha256(study / checkpoint["name"])
    assert checkpoint["contentSize"] == str((study / checkpoint["name"]).stat().st_size)
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        copied = set(archive.namelist())
    assert "records/segmenters/full/checkpoint.pt.provenance.json" in copied
    assert "segmenters/full/checkpoint.pt" not in copied
    assert "workflow/rules/segmenters.smk" in copied
    (x_rays,) = of_type(entities, "Collection")
    assert x_rays["name"] == "3 X-rays"


def test_artifacts_can_be_copied(study, tmp_path):
    write_crate(Study(study), tmp_path / "crate.zip", copy_files=True)
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        assert archive.read("summary.csv") == (study / "summary.csv").read_bytes()
    graph = graph_of(tmp_path / "crate.zip")
    assert not any(e["@id"].startswith("ni:") for e in graph)
    assert any(e["@id"] == "segmenters/full/checkpoint.pt" for e in graph)


def test_raw_data_are_described_and_never_copied(home, tmp_path):
    write_crate(Study("results/real"), tmp_path / "crate.zip", copy_files=True)
    raw = {e["name"]: e for e in graph_of(tmp_path / "crate.zip") if e["@id"].startswith("ni:")}
    assert raw["data/CheXpert/train.csv"]["sha256"] == sha256("data/CheXpert/train.csv")
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        assert not [name for name in archive.namelist() if name.startswith("data")]


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("crate", "no name of a zip file"), ("folder.zip", "no name of a zip file"),
        ("results/mini/c.zip", "a place inside the study"), ("link/c.zip", "a place inside"),
        ("file/c.zip", "a file"),
    ],
)  # fmt: skip
def test_where_no_crate_can_be(study, target, found):
    Path("file").touch()
    Path("folder.zip").mkdir()
    Path("link").symlink_to(study)
    before = sorted(Path().rglob("*"))
    with pytest.raises(InputError, match=f"found {found}"):
        write_crate(Study(study), Path(target))
    assert sorted(Path().rglob("*")) == before
