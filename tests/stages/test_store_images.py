import numpy as np
import pytest

from chexseg.config.settings import ImageSettings, IndexSettings
from chexseg.data.images import letterboxed
from chexseg.data.index import read_index
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.stages import build_index, store_images
from tests.stages.release_files import release_files

SETTINGS = ImageSettings(image_size=32)


def index_of(root, out, shards=1):
    build_index.run(
        **release_files(root),
        out=out,
        settings=IndexSettings(expert_fraction=0.5, shards=shards),
    )
    return out


def test_every_x_ray_of_the_index_is_stored_letterboxed(phantom, tmp_path):
    index = index_of(phantom, tmp_path / "index.csv")
    store_images.run(index=index, root=phantom, out=tmp_path / "0.h5", settings=SETTINGS)
    store, rows = Store([tmp_path / "0.h5"], "images"), read_index(index)
    assert store.ids == list(rows.index)
    assert store.meta == {"image_size": 32}
    assert len(store) == 42
    for cxr_id, path in rows["path"].items():
        assert np.array_equal(store[cxr_id], letterboxed(phantom / path, 32))


@pytest.mark.parametrize("shards", [3, 50])
def test_shards_together_hold_what_one_store_holds(phantom, tmp_path, shards):
    index = index_of(phantom, tmp_path / "index.csv", shards)
    paths = [tmp_path / f"{shard}.h5" for shard in range(shards)]
    for shard, path in enumerate(paths):
        store_images.run(index=index, root=phantom, out=path, settings=SETTINGS, shard=shard)
    parts, rows = Store(paths, "images"), read_index(index)
    assert parts.ids == list(rows.index)
    assert np.array_equal(parts[parts.ids[-1]], letterboxed(phantom / rows["path"].iloc[-1], 32))
    assert sorted({len(Store([path], "images")) for path in paths}) == {3: [14], 50: [0, 1]}[shards]


def test_threads_do_not_change_a_byte(phantom, tmp_path):
    index = index_of(phantom, tmp_path / "index.csv")
    for threads in (1, 3):
        out = tmp_path / f"{threads}.h5"
        store_images.run(index=index, root=phantom, out=out, settings=SETTINGS, threads=threads)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_all_broken_and_absent_x_rays_are_told_at_once_and_no_file_is_left(
    phantom_copy, tmp_path, threads
):
    index = index_of(phantom_copy, tmp_path / "index.csv")
    broken = [phantom_copy / path for path in read_index(index)["path"].iloc[[0, 7, 20, 41]]]
    broken[0].write_bytes(broken[0].read_bytes()[:700])
    broken[1].unlink()
    broken[2].write_bytes(b"")
    broken[3].write_text("404 not found")
    out = tmp_path / "images" / "0.h5"
    with pytest.raises(InputError) as caught:
        store_images.run(
            index=index, root=phantom_copy, out=out, settings=SETTINGS, threads=threads
        )
    assert {problem.where for problem in caught.value.problems} == set(map(str, broken))
    assert len(caught.value.problems) == 4
    assert list(out.parent.iterdir()) == []


def test_a_failure_leaves_the_old_store(phantom_copy, tmp_path):
    index, out = index_of(phantom_copy, tmp_path / "index.csv"), tmp_path / "0.h5"
    store_images.run(index=index, root=phantom_copy, out=out, settings=SETTINGS)
    before = out.read_bytes()
    (phantom_copy / read_index(index)["path"].iloc[3]).unlink()
    with pytest.raises(InputError, match="no such file"):
        store_images.run(index=index, root=phantom_copy, out=out, settings=SETTINGS)
    assert out.read_bytes() == before
