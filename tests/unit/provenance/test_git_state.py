import shutil
import subprocess

import pytest

from chexseg.provenance.git import git_state

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder, *words):
    named = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *named, *words], check=True, capture_output=True)


@pytest.fixture
def package(tmp_path):
    """The package in a repository, committed."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (tmp_path / ".gitignore").write_text("__pycache__/\nignored/\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message", "first")
    return package


def test_clean(package):
    state = git_state(package)
    assert len(state["commit"]) == 40
    assert (state["dirty"], state["changes"]) == (False, None)


def test_an_edit_is_a_change_and_its_content_counts(package):
    changes = []
    for text in ("a = 1\n", "a = 2\n"):
        (package / "__init__.py").write_text(text)
        state = git_state(package)
        assert state["dirty"]
        changes.append(state["changes"])
    assert len({*changes, None}) == 3


def test_a_new_module_is_a_change_and_its_content_counts(package):
    changes = []
    for text in ("a = 1\n", "a = 2\n"):
        (package / "new.py").write_text(text)
        state = git_state(package)
        assert state["dirty"]
        changes.append(state["changes"])
    assert len({*changes, None}) == 3


def test_ignored_files_and_those_beside_the_package_are_none(package):
    for name in ("package/__pycache__/a.pyc", "notes.txt"):
        path = package.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert not git_state(package)["dirty"]


def test_a_package_that_the_repository_does_not_know_has_no_commit(package):
    for name in ("ignored", "untracked"):
        copy = shutil.copytree(package, package.parent / name / "package")
        assert git_state(copy) is None


def test_without_git_or_a_commit(tmp_path):
    assert git_state(tmp_path) is None
    (tmp_path / "a.py").write_text("")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    assert git_state(tmp_path) is None
