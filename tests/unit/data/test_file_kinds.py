"""Files that are no X-ray: what each of them is, and what to do."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from chexseg.data.images import image_size, open_image
from chexseg.errors import InputError

GREY = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
CONVERT = "Convert it to PNG without loss, in the same grey levels."


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", "x")


CASES = {
    "TIFF": (lambda path: GREY.save(path, "TIFF"), "a TIFF", CONVERT),
    "BMP": (lambda path: GREY.save(path, "BMP"), "a BMP", CONVERT),
    "WebP": (lambda path: GREY.save(path, "WEBP"), "a WebP", CONVERT),
    "GIF": (lambda path: GREY.save(path, "GIF"), "a GIF", CONVERT),
    "JPEG 2000": (
        lambda path: path.write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n"), "a JPEG 2000", CONVERT
    ),
    "PDF": (lambda path: path.write_bytes(b"%PDF-1.7\n"), "a PDF", CONVERT),
    "folder": (lambda path: path.mkdir(), "a folder", "Name an X-ray in it."),
    "empty": (
        lambda path: path.touch(), "an empty file", "Fetch the file again: nothing of it arrived."
    ),
    "ZIP": (zipped, "a ZIP archive", "Unpack it."),
    "login page": (
        lambda path: path.write_text("\n<!DOCTYPE html><html>Sign in</html>"), "a web page",
        "Fetch the X-ray again; the server sent a page instead, perhaps to log in.",
    ),
    "Git LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0"),
        "a pointer of Git LFS", "Fetch the file itself with `git lfs pull`.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("read", [open_image, image_size])
def test_what_a_file_is_and_what_to_do(tmp_path, case, read):
    write, found, remedy = CASES[case]
    write(tmp_path / "view1_frontal.jpg")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "view1_frontal.jpg")
    (problem,) = caught.value.problems
    assert (problem.found, problem.remedy) == (found, remedy)


def test_what_is_not_known_is_damaged(tmp_path):
    (tmp_path / "a.jpg").write_text("404 not found")
    with pytest.raises(InputError, match=r"a damaged image .*Fetch the file again\.$"):
        open_image(tmp_path / "a.jpg")
