"""The rules of the house that no single module can hold: imports, pins, generated files."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from chexseg import __version__
from chexseg.catalog import stage
from chexseg.cli import COMMANDS, NAMES
from chexseg.config import reference

ROOT = Path(__file__).parents[2]
BELOW = {
    "errors": set(),
    "files": {"errors"},
    "catalog": set(),
    "data": {"files", "config"},
    "provenance": {"files", "catalog"},
    "config": {"data", "catalog"},
    "affinity": {"data"},
    "losses": {"affinity"},
    "models": {"losses", "config"},
    "saliency": {"models"},
    "inference": {"data"},
    "mask_sources": {"inference", "saliency", "affinity"},
    "training": {"inference", "models", "losses", "provenance"},
    "evaluation": {"data"},
    "scheduling": {"inference", "provenance", "config"},
    "audit": {"provenance"},
    "report": {"evaluation", "audit"},
    "stages": {"training", "inference", "evaluation", "report", "mask_sources", "scheduling"},
}
"""Room -> those right below it; it may import from all that are below, near or far."""


def below(room: str) -> set[str]:
    """A room, and all below it."""
    found, queue = set(), [room]
    while queue:
        if (each := queue.pop()) not in found:
            found.add(each)
            queue += BELOW[each]
    return found


def imports_of(path: Path) -> set[str]:
    """Names of the rooms of chexseg that a module imports, at its top or anywhere else."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = inside if node.module == "chexseg" else [node.module]
        found |= {name.split(".")[1] for name in names if re.match(r"chexseg\.\w", name or "")}
    return found


@pytest.mark.parametrize("room", sorted(BELOW))
def test_imports_go_one_way(room):
    package = ROOT / "chexseg"
    modules = [*(package / room).rglob("*.py"), *package.glob(f"{room}.py")]
    assert modules
    for path in modules:
        assert imports_of(path) <= below(room), path


def test_nothing_lies_loose_at_the_root_of_the_package():
    loose = {path.stem for path in (ROOT / "chexseg").glob("*.py")}
    assert loose == {"__init__", "__main__", "catalog", "cli", "errors"}


@pytest.mark.parametrize("room", ["files", "data", "config", "provenance", "scheduling", "audit"])
def test_no_torch_below_the_models(room):
    for path in (ROOT / "chexseg" / room).rglob("*.py"):
        assert not re.search(r"^(import|from) (torch|lightning)", path.read_text(), re.M), path


def test_every_stage_has_a_command():
    modules = {path.stem for path in (ROOT / "chexseg" / "stages").glob("[!_]*.py")}
    assert {command.replace("-", "_") for command in NAMES + COMMANDS} == modules


def test_every_stage_has_a_rule_that_asks_for_a_gpu_if_it_needs_one(rules):
    stages = {rule.shellcmd.split()[1] for rule in rules.values()}
    assert stages == set(NAMES)
    assert all(rule.shellcmd.startswith("chexseg ") for rule in rules.values())
    on_gpu = {rule.shellcmd.split()[1] for rule in rules.values() if "gpu" in rule.resources}
    assert on_gpu == {name for name in NAMES if stage(name).gpu}


def test_one_container_serves_all_rules(rules):
    assert {rule.container_img for rule in rules.values()} == {"envs/chexseg.sif"}
    assert [name for name, rule in rules.items() if rule.conda_env] == []


@pytest.mark.parametrize("recipe", ["Dockerfile", "chexseg.def"])
def test_the_images_have_the_oldest_python_and_the_pins(recipe):
    text = (ROOT / "envs" / recipe).read_text()
    assert re.findall(r"(?mi)^from:? (\S+)$", text) == ["python:3.11-slim"]
    installed = re.findall(r"pip install --no-cache-dir (.+)$", text, re.M)
    assert installed == ["--requirement requirements.txt", "--no-deps ."]


def test_tables_of_the_package_are_installed_with_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (pattern,) = project["tool"]["setuptools"]["package-data"]["chexseg"]
    package = ROOT / "chexseg"
    files = {p for p in package.rglob("*.*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert files == set(package.glob(pattern))


def test_the_version_stands_in_changelog_and_citation():
    releases = re.findall(r"(?m)^## \[(\d\S*)\]", (ROOT / "CHANGELOG.md").read_text())
    assert releases[0] == __version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__


def test_the_entry_of_the_workflow_catalog():
    """The keys that the catalog reads, and the files that it looks for."""
    entry = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    deployment = {"conda": False, "apptainer": True, "apptainer+conda": False, "report": True}
    assert entry.pop("software-stack-deployment") == deployment
    assert set(entry.pop("mandatory-flags")) == {"desc", "flags"}
    assert entry == {}
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (ROOT / name).is_file(), name


def pins(lines) -> dict[str, str]:
    found = re.findall(
        r"^([\w.-]+)==([\w.+!]+)(?! ; python_full_version >=)", "\n".join(lines), re.M
    )
    return dict(reversed(found))  # the first of several: the oldest Python


def test_the_environment_has_the_pins_of_the_requirements():
    required = pins((ROOT / "requirements.txt").read_text().splitlines())
    environment = yaml.safe_load((ROOT / "envs" / "chexseg.yaml").read_text())
    pinned = pins(environment["dependencies"][-1]["pip"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=]", name)[0] for name in project["dependencies"]}
    assert set(pinned) == needed
    assert pinned == {name: required[name] for name in needed}


def test_requirements_name_no_address():
    text = (ROOT / "requirements.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^(-|--)", text, re.M)


def test_schema_and_reference_are_those_of_the_settings():
    assert (ROOT / reference.SCHEMA).read_text() == reference.schema_text()
    page = (ROOT / reference.REFERENCE).read_text()
    assert page == reference.with_reference(page)


def test_the_schema_is_closed():
    schema = yaml.safe_load((ROOT / reference.SCHEMA).read_text())
    sections = [schema, *schema["$defs"].values()]
    closed = [each for section in sections for each in section.get("anyOf", [section])]
    assert len(closed) > len(sections)  # the section `data` is one for each layout
    assert all(section["additionalProperties"] is False for section in closed)


def test_files_are_read_in_one_sitting():
    files = (path for folder in ("benchmarks", "chexseg", "tests", "workflow")
             for kind in ("py", "smk") for path in (ROOT / folder).rglob(f"*.{kind}"))  # fmt: skip
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
               for path in files}  # fmt: skip
    assert {"workflow/rules/common.smk", "tests/unit/test_house.py"} <= lengths.keys()
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_no_modules_import_each_other_in_a_circle():
    """By their imports at the top: those inside functions and for type checkers close no circle."""
    edges = {}
    for path in (ROOT / "chexseg").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        edges[name] = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chexseg"):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                edges[name] |= inner | {node.module}
    edges = {name: {other for other in others if other in edges and other != "chexseg"}
             for name, others in edges.items()}  # fmt: skip
    done = set()

    def walk(name, way):
        assert name not in way, " -> ".join([*way, name])
        if name not in done:
            for other in edges[name]:
                walk(other, [*way, name])
            done.add(name)

    for name in edges:
        walk(name, [])


def test_training_stages_and_reading_stages_share_no_six_lines():
    """Six lines that are equal, blank lines and comments left out, belong into one place."""
    for names in (
        ("train_classifier", "train_irnet", "train_segmenter"),
        ("check_data", "build_index"),
    ):
        seen = {}
        for name in names:
            text = (ROOT / "chexseg" / "stages" / f"{name}.py").read_text()
            lines = [line.strip() for line in text.splitlines()]
            code = [
                line for line in lines if line and not line.startswith(("#", "from ", "import "))
            ]
            for start in range(len(code) - 5):
                block = tuple(code[start : start + 6])
                assert seen.setdefault(block, name) == name, block
