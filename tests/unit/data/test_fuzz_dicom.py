"""Damaged DICOM files: read, or refused with InputError, and nothing else; see `test_fuzz_readers`."""

import pytest

pydicom = pytest.importorskip("pydicom")

import numpy as np  # noqa: E402
from hypothesis import given  # noqa: E402
from pydicom.uid import RLELossless  # noqa: E402

from chexseg.data.dicom import dicom_size, dicom_stretch, open_dicom  # noqa: E402
from tests.unit.data.dicoms import as_jpeg_lossless, dicom, table  # noqa: E402
from tests.unit.data.fuzzing import damaged, examples, try_to_read  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of sound files: plain, with a table, padded and inverted, and compressed."""
    folder = tmp_path_factory.mktemp("whole")
    values = np.random.default_rng(0).integers(0, 4096, (24, 17))
    files = [
        dicom(folder / "plain", values, WindowCenter=2000, WindowWidth=3000, RescaleSlope=1,
              RescaleIntercept=-5, PixelSpacing=[0.2, 0.1]),
        dicom(folder / "table", values, VOILUTSequence=table(0, list(range(4096)), bits=12)),
        dicom(folder / "padded", values, PixelPaddingValue=0, PixelAspectRatio=[1, 2],
              PhotometricInterpretation="MONOCHROME1"),
    ]  # fmt: skip
    header = pydicom.dcmread(files[0])
    header.compress(RLELossless)
    header.save_as(folder / "rle")
    header = pydicom.dcmread(files[0])
    as_jpeg_lossless(header, values)
    header.save_as(folder / "jpeg")
    return [file.read_bytes() for file in (*files, folder / "rle", folder / "jpeg")]


def read_all(path):
    for read in (dicom_size, dicom_stretch, open_dicom):
        read(path)


def test_the_files_are_sound_before_they_are_damaged(folder, whole):
    for content in whole:
        (folder / "a").write_bytes(content)
        read_all(folder / "a")


@pytest.mark.parametrize("kind", range(5), ids=["plain", "table", "padded", "rle", "jpeg"])
def test_dicom(folder, whole, kind):
    @examples(60)
    @given(damaged([whole[kind]]))
    def check(content):
        try_to_read(folder / "a.dicom", content, read_all)

    check()
