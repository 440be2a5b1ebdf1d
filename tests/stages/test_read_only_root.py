"""The data's folder may be read-only: the stages that read it change nothing there."""

from chexseg.config.settings import ImageSettings, IndexSettings
from chexseg.stages import build_index, check_data, store_images
from tests.stages.methods import make
from tests.stages.release_files import release_files


def listing(root):
    """All files and folders with what a write to them, or beside them, would change."""
    status = {path: path.stat() for path in (root, *root.rglob("*"))}
    return {
        path: (s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in status.items()
    }


def test_nothing_changes_under_the_root(phantom_copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    release, out = release_files(phantom_copy), tmp_path / "results"
    before = listing(phantom_copy)
    assert len(before) > 100
    check_data.run(**release, out=out / "data.txt")
    build_index.run(**release, out=out / "index.csv", settings=IndexSettings(expert_fraction=0.5))
    size = ImageSettings(image_size=32)
    store_images.run(
        index=out / "index.csv", root=phantom_copy, out=out / "images.h5", settings=size
    )
    (drawn,) = release["inputs"]["val_masks"]
    index, images = out / "index.csv", out / "images.h5"
    make("drawn", index, images, out / "masks.h5", {"masks": drawn}, classes=("Edema",))
    assert listing(phantom_copy) == before
    (phantom_copy / "CheXpert" / "note").touch()
    assert listing(phantom_copy) != before
