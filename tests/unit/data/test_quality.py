from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from chexseg.data.images import open_image
from chexseg.data.quality import flaw_of

REAL = Path(__file__).parents[4] / "shared/covid-cxr/CheXpert"


def frontal(folder):
    return [open_image(path, longest=128)[0] for path in sorted(folder.rglob("*frontal*"))]


@pytest.fixture(
    params=["phantom", pytest.param("real", marks=pytest.mark.real)], name="x_rays", scope="module"
)
def _x_rays(request, phantom):
    if request.param == "real" and not REAL.is_dir():
        pytest.skip("no real X-rays here")
    return frontal(REAL if request.param == "real" else phantom / "CheXpert")


def padded(image, share):
    """The image inside a black border that takes this share of the area."""
    side = round(max(image.size) / (1 - share) ** 0.5)
    square = Image.new("L", (side, side))
    square.paste(image.resize((max(image.size),) * 2), (side // 9, side // 8))
    return square


def test_good_x_rays_have_no_flaw(x_rays):
    assert len(x_rays) > 40
    assert [flaw for flaw in map(flaw_of, x_rays) if flaw] == []


def test_inverted_x_rays_are_all_seen(x_rays):
    assert all("inverted" in flaw_of(ImageOps.invert(image)) for image in x_rays)


def test_mirrored_dark_and_pale_x_rays_are_still_good(x_rays):
    for image in x_rays[:20]:
        for changed in (
            ImageOps.mirror(image),
            image.point(lambda v: v * 0.8),
            image.point(lambda v: 50 + v * 0.8),
        ):
            assert flaw_of(changed) is None


def test_most_of_the_grey_levels_unused(x_rays):
    for image in x_rays[:20]:
        assert flaw_of(image.point(lambda v: v * 0.35)).startswith("flat: grey levels ")
    ramp = Image.fromarray(np.tile(np.linspace(100, 190, 64).astype(np.uint8), (64, 1)))
    assert flaw_of(ramp) == "flat: grey levels 100 to 190 of 255, so most of them are unused"


def test_broad_borders_are_seen_and_narrow_ones_are_not(x_rays):
    for image in x_rays[:20]:
        assert "border" in flaw_of(padded(image, 0.55))
        assert flaw_of(padded(image, 0.2)) is None


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_images(value):
    assert "constant" in flaw_of(Image.new("L", (50, 40), value))


def test_12_bits_in_a_file_of_16_are_almost_constant(x_rays):
    assert "constant" in flaw_of(x_rays[0].point(lambda v: v / 16))


def test_noise_of_any_size_is_looked_at():
    rng = np.random.default_rng(0)
    for size in ((1, 1), (1, 300), (3, 2), (640, 480)):
        flaw_of(Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)))
