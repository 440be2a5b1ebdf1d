import numpy as np
from PIL import Image

from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.report import overlay
from chexseg.report.pictures import PALETTE, colours_of


def test_the_pathologies_of_chexpert_keep_their_colours():
    whole = colours_of(PATHOLOGIES)
    assert list(whole.values()) == list(PALETTE[:10])
    few = colours_of(("Edema", "Fracture", "Cardiomegaly"))
    assert {name: few[name] for name in ("Edema", "Cardiomegaly")} == {
        name: whole[name] for name in ("Edema", "Cardiomegaly")
    }
    assert few["Fracture"] not in (few["Edema"], few["Cardiomegaly"])


def test_other_classes_take_the_colours_that_are_left_in_their_order():
    assert list(colours_of(("Left Lung", "Right Lung")).values()) == list(PALETTE[:2])
    assert colours_of((*PATHOLOGIES, "Fracture", "Nodule"))["Nodule"] == PALETTE[11]


def test_no_two_classes_share_a_colour_until_the_palette_ends():
    names = [f"class {number}" for number in range(10)]
    assert len(set(colours_of((*names, *PATHOLOGIES)).values())) == 20
    more = colours_of([f"class {number}" for number in range(21)])
    assert more["class 20"] == more["class 0"]


def test_an_overlay_has_the_colours_of_the_masks_that_are_not_empty(tmp_path):
    image = np.full((40, 30), 128, np.uint8)
    mask, empty = np.zeros((40, 30), bool), np.zeros((40, 30), bool)
    mask[10:30, 5:25] = True
    overlay.draw(image, {"Nodule": empty, "Fracture": mask}, tmp_path / "o.png")
    pixels = np.asarray(Image.open(tmp_path / "o.png").convert("RGB")).reshape(-1, 3)
    drawn = [tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in PALETTE[:2]]
    assert [(pixels == colour).all(1).any() for colour in drawn] == [False, True]
