"""Which files of a folder count, and which of them are X-rays."""

from chexseg.data.x_ray_files import files_below, x_rays_below


def test_files_below_a_folder_in_order_without_hidden_ones(tmp_path):
    for name in ("b.PNG", "a/2.dcm", "a/1.jpeg", "a/notes.txt", ".c.png", "a/._1.jpeg", ".d/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to(tmp_path / "absent")
    files = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)]
    assert files == ["a/1.jpeg", "a/2.dcm", "a/notes.txt", "b.PNG"]
    x_rays = [path.relative_to(tmp_path).as_posix() for path in x_rays_below(tmp_path)]
    assert x_rays == ["a/1.jpeg", "a/2.dcm", "b.PNG"]
