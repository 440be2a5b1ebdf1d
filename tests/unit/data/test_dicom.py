"""X-rays in DICOM files: what is shown of them, and what is refused, without a word of the header."""

import logging
import traceback
import warnings

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")

from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import (  # noqa: E402
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from chexseg.data import dicom as module  # noqa: E402
from chexseg.data.dicom import dicom_size, dicom_stretch, open_dicom  # noqa: E402
from chexseg.data.images import Letterbox  # noqa: E402
from chexseg.errors import InputError  # noqa: E402
from tests.unit.data.dicoms import SECRETS, as_jpeg_lossless, dicom, table  # noqa: E402


def noise(height=9, width=14, bits=12, seed=0):
    return np.random.default_rng(seed).integers(0, 2**bits, (height, width))


def shown(path):
    """Grey levels of a file."""
    image, height, width = open_dicom(path)
    assert image.mode == "L"
    assert (image.height, image.width) == (height, width) == dicom_size(path)
    return np.asarray(image)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.dicom"


def test_without_a_window_the_range_is_that_of_the_pixels(path):
    assert shown(dicom(path, [[100, 200], [150, 300]])).tolist() == [[0, 128], [64, 255]]
    assert shown(dicom(path, [[7, 7]])).tolist() == [[0, 0]]


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_a_window_over_all_values_keeps_their_share(path, bits):
    values, most = noise(bits=bits), 2**bits - 1
    dicom(path, values, bits=bits, WindowCenter=2 ** (bits - 1), WindowWidth=2**bits)
    assert np.abs(shown(path) - values * 255.0 / most).max() <= 0.5


def test_a_window_cuts_by_hand(path):
    # Linear exact, from 100 to 200.
    window = {"WindowCenter": [150, 1], "WindowWidth": [100, 7], "VOILUTFunction": "LINEAR_EXACT"}
    values = [[50, 100, 120, 150, 200, 4000]]
    assert shown(dicom(path, values, **window)).tolist() == [[0, 0, 51, 128, 255, 255]]
    window["VOILUTFunction"] = "SIGMOID"  # 1 / (1 + exp(-4 (x - 150) / 100))
    assert shown(dicom(path, values, **window)).tolist() == [[5, 30, 59, 128, 225, 255]]


def test_slope_and_intercept_come_before_the_window(path):
    window = {"WindowCenter": 0, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"}
    scaled = {"RescaleSlope": 2, "RescaleIntercept": -100}
    values = [[0, 25, 50, 75, 100]]  # -100 to 100
    assert shown(dicom(path, values, **window, **scaled)).tolist() == [[0, 0, 128, 255, 255]]


def test_signed_values(path):
    assert shown(dicom(path, [[-100, 0, 100]])).tolist() == [[0, 128, 255]]


def test_lookup_tables_by_hand(path):
    voi = {"VOILUTSequence": table(10, [0, 51, 255, 102], bits=8)}
    assert shown(dicom(path, [[5, 10, 11, 12, 13, 90]], **voi)).tolist() == [
        [0, 0, 51, 255, 102, 102]
    ]
    modality = {"ModalityLUTSequence": table(0, [40, 20, 0], bits=8)}
    assert shown(dicom(path, [[0, 1, 2]], **modality)).tolist() == [[255, 128, 0]]


@pytest.mark.parametrize("windowed", [False, True])
def test_monochrome1_is_the_negative_of_its_twin(tmp_path, windowed):
    values, most = noise(40, 30), 4095
    one = {"WindowCenter": 1500, "WindowWidth": 2000} if windowed else {}
    other = {"WindowCenter": most - 1500 + 1, "WindowWidth": 2000} if windowed else {}
    first = shown(dicom(tmp_path / "2", values, PhotometricInterpretation="MONOCHROME2", **one))
    second = shown(
        dicom(tmp_path / "1", most - values, PhotometricInterpretation="MONOCHROME1", **other)
    )
    assert len(np.unique(first)) > 100
    assert np.array_equal(first, second)
    squares = [Letterbox(40, 30, 32).image(open_dicom(tmp_path / name)[0]) for name in ("1", "2")]
    assert np.array_equal(*squares)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count(path, photometric):
    values = [[0, 1, 100, 200, 300]]
    padding = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 1}
    grey = shown(dicom(path, values, PhotometricInterpretation=photometric, **padding))
    inside = [0, 128, 255] if photometric == "MONOCHROME2" else [255, 128, 0]
    assert grey.tolist() == [[0, 0, *inside]]


def test_nothing_but_padding_is_black(path):
    assert shown(dicom(path, [[3, 3]], PixelPaddingValue=3)).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("element", "sides", "stretch", "size"),
    [
        ("PixelAspectRatio", [2, 1], (2, 1), (20, 10)),
        ("PixelAspectRatio", [1, 1], (1, 1), (10, 10)),
        ("ImagerPixelSpacing", [0.2, 0.3], (1, 1.5), (10, 15)),
        ("PixelSpacing", [0.1431, 0.143], (1, 1), (10, 10)),
    ],
)
def test_pixels_become_square(path, element, sides, stretch, size):
    dicom(path, noise(10, 10), **{element: sides})
    assert shown(path).shape == size
    assert dicom_stretch(path) == pytest.approx(stretch)


@pytest.mark.parametrize("compression", ["rle", "jpeg_2000", "jpeg_lossless", "deflated"])
def test_compressed_files_show_the_same(tmp_path, compression):
    values = noise(70, 65)
    plain = dicom(tmp_path / "plain", values)
    header, path = pydicom.dcmread(plain), tmp_path / "compressed"
    if compression == "jpeg_lossless":
        pytest.importorskip("libjpeg")
        as_jpeg_lossless(header, values)
    elif compression == "deflated":
        header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    else:
        if compression == "jpeg_2000":
            pytest.importorskip("openjpeg")
        header.compress(RLELossless if compression == "rle" else JPEG2000Lossless)
    header.save_as(path)
    assert np.array_equal(shown(path), shown(plain))


def refusal(path, reader=open_dicom):
    """The one problem of a file; its text, and a traceback of the error, hold no secret."""
    with pytest.raises(InputError) as caught:
        reader(path)
    (problem,) = caught.value.problems
    text = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in SECRETS if secret in text + str(problem)]
    assert problem.where == str(path)
    assert problem.group == "X-rays"
    return problem


@pytest.mark.filterwarnings("ignore:Invalid value for VR")  # of pydicom, while it writes
@pytest.mark.parametrize(
    ("elements", "found"),
    [
        ({"Modality": "CT"}, "modality CT"),
        ({"Modality": "DOE^JANE"}, "another modality"),
        ({"PixelData": None}, "no pixels, or only a part of them"),
        ({"Rows": None}, "no pixels, or only a part of them"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"SamplesPerPixel": 3}, "colour"),
        ({"PhotometricInterpretation": "RGB"}, "colour (RGB)"),
        ({"PhotometricInterpretation": "Doe^Jane"}, "no photometric interpretation that is known"),
        ({"PhotometricInterpretation": None}, "no photometric interpretation that is known"),
        ({"Rows": 0}, "14 x 0 pixels"),
        ({"Rows": 60_000}, "14 x 60000 pixels"),
        ({"PixelAspectRatio": [9, 1]}, "damaged or truncated content (ValueError)"),
        ({"WindowCenter": 1, "WindowWidth": 0}, "damaged or truncated content (ValueError)"),
    ],
)
def test_refusals(path, elements, found):
    assert refusal(dicom(path, noise(), **elements)).found == found


def test_a_file_without_a_modality_is_read(path):
    assert shown(dicom(path, [[0, 1]], Modality=None)).tolist() == [[0, 255]]


def test_several_frames_of_a_series(path):
    values = np.stack([noise(), noise()])
    assert refusal(dicom(path, values, NumberOfFrames=2)).found == "several frames"


def test_other_files(path):
    assert refusal(path).found == "no such file"
    path.write_bytes(b"Doe^Jane")
    assert refusal(path).found == "a file that is not DICOM"
    assert refusal(path.parent).found == "an unreadable file"


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("missing", [1, 200, 700])
def test_truncated_files(path, compressed, missing):
    dicom(path, noise(24, 17))
    if compressed:
        header = pydicom.dcmread(path)
        header.compress(RLELossless)
        header.save_as(path)
    path.write_bytes(path.read_bytes()[: -missing - 8 * compressed])
    part, damaged = "no pixels, or only a part of them", "damaged or truncated content (ValueError)"
    assert refusal(path).found == (part if compressed else damaged)


def test_a_missing_plugin_is_named(path, monkeypatch):
    class Decoder:
        is_available = False
        missing_dependencies = ("gdcm - requires gdcm>=3.0.10", "pylibjpeg - requires pylibjpeg>=2")

    monkeypatch.setattr(module, "get_decoder", lambda syntax: Decoder)
    problem = refusal(dicom(path, noise()))
    assert problem.found == "pixels compressed as Explicit VR Little Endian"
    assert "pylibjpeg - requires pylibjpeg>=2" in problem.remedy
    assert dicom_size(path) == (9, 14)  # no plugin is needed for the header


def test_an_unknown_compression(path):
    header = pydicom.dcmread(dicom(path, noise()))
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"  # a video
    header.PixelData = encapsulate([b"film"])
    header.save_as(path)
    assert refusal(path).found == "an unknown compression"


def test_nothing_of_the_header_is_read_logged_or_warned_of(path, caplog):
    dicom(path, noise(), WindowCenter=2000, WindowWidth=3000)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"19600401", b"19ABC^JD"))  # an invalid date, with a warning
    header = module._read(path)
    assert {element.keyword for element in header} <= set(module.ELEMENTS)
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        shown(path)
        header = pydicom.dcmread(dicom(path, noise()))
        caught.clear()
        as_jpeg_lossless(header, noise())
        header.PixelData = header.PixelData.replace(b"\xff\xc4", b"\xff\xd0")
        header.save_as(path)
        assert refusal(path).found == "damaged or truncated content (RuntimeError)"
        dicom(path, noise(), PixelAspectRatio=[2, 1])
        caught.clear()
        path.write_bytes(path.read_bytes().replace(b"2\\1 ", b"Z\\1 "))
        for reader in (open_dicom, dicom_size, dicom_stretch):
            assert refusal(path, reader).found == "damaged or truncated content (ValueError)"
    assert caught == []
    assert caplog.records == []
