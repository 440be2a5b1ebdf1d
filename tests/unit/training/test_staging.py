"""Stores on a disk of the node: where they are read, what is left, and where there is no room."""

import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from lightning.fabric import Fabric

from chexseg.errors import InputError
from chexseg.files.store import Store, write_store
from chexseg.inference.signals import Stopped
from chexseg.training import staging
from chexseg.training.staging import staged

FABRIC = Fabric(accelerator="cpu", devices=1)


@pytest.fixture
def scratch(tmp_path):
    return tmp_path / "scratch"


@pytest.fixture
def store(tmp_path):
    """Three shards; shard `i` holds the X-rays `i0` and `i1`."""
    paths = [tmp_path / f"{shard}.h5" for shard in range(3)]
    for shard, path in enumerate(paths):
        with write_store(path, "images") as writer:
            for number in range(2):
                writer.append(f"{shard}{number}", np.full((4, 4), 10 * shard + number))
    return Store(paths, "images")


def test_copies_are_read_and_removed(store, scratch):
    assert store["20"].max() == 20  # the shard itself is open now
    with staged(FABRIC, scratch, [store], store.ids):
        (folder,) = scratch.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(list(folder.iterdir())) == 3
        for path in store.paths:  # nothing is read here any more
            path.rename(path.with_suffix(".away"))
        assert [int(store[cxr_id].max()) for cxr_id in store.ids] == [0, 1, 10, 11, 20, 21]
        for path in store.paths:
            path.with_suffix(".away").rename(path)
    assert list(scratch.iterdir()) == []
    assert store["11"].max() == 11


def test_only_shards_that_are_read_are_copied(store, scratch):
    with staged(FABRIC, scratch, [store], ["20", "21", "of another store"]):
        (folder,) = scratch.iterdir()
        (copy,) = folder.iterdir()
        assert copy.read_bytes() == store.paths[2].read_bytes()
        assert store["01"].max() == 1


def test_shards_of_the_same_name_stay_apart(store, scratch, tmp_path):
    with write_store(tmp_path / "other" / "0.h5", "images") as writer:
        writer.append("00", np.full((4, 4), 99))
    other = Store([tmp_path / "other" / "0.h5"], "images")
    with staged(FABRIC, scratch, [store, other], store.ids):
        assert (store["00"].max(), other["00"].max()) == (0, 99)


def test_no_folder_no_copies(store, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with staged(FABRIC, None, [store], store.ids):
        assert sorted(tmp_path.rglob("*")) == before


def test_an_exception_removes_them(store, scratch):
    with pytest.raises(ZeroDivisionError), staged(FABRIC, scratch, [store], store.ids):
        _ = 1 / 0
    assert list(scratch.iterdir()) == []
    assert store["11"].max() == 11


def test_a_signal_removes_them(store, scratch):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as stopped, staged(FABRIC, scratch, [store], store.ids):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.code == 143
    assert list(scratch.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_while_copying_removes_what_is_there(store, scratch, monkeypatch):
    copy = staging.shutil.copyfile

    def copyfile(source, target):
        copy(source, target)
        if source == store.paths[1]:
            os.kill(os.getpid(), signal.SIGUSR1)

    monkeypatch.setattr(staging.shutil, "copyfile", copyfile)
    with pytest.raises(Stopped), staged(FABRIC, scratch, [store], store.ids):
        pytest.fail("entered")
    assert list(scratch.iterdir()) == []


def test_not_enough_room(store, scratch, monkeypatch):
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError) as caught, staged(FABRIC, scratch, [store], store.ids):
        pytest.fail("entered")
    (problem,) = caught.value.problems
    assert problem.where == str(scratch)
    assert problem.found == "0.0 GB"
    assert "for the stores that the training reads" in problem.expected
    assert "omit --scratch" in problem.remedy
    assert list(scratch.iterdir()) == []
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with staged(FABRIC, scratch, [store], store.ids):
        pass


def test_no_folder_can_be_made_there(store, tmp_path):
    with (
        pytest.raises(InputError, match="a writable folder"),
        staged(FABRIC, store.paths[0] / "scratch", [store], store.ids),
    ):
        pytest.fail("entered")


def test_an_error_names_the_store_and_not_the_copy(store, scratch):
    with staged(FABRIC, scratch, [store], store.ids):
        for copy in next(scratch.iterdir()).iterdir():
            copy.write_bytes(b"damaged")
        with pytest.raises(InputError) as caught:
            store["10"]
    (problem,) = caught.value.problems
    assert problem.where == str(store.paths[1])
    assert str(scratch) not in str(problem)
