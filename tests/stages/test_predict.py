"""`chexseg predict`: what it writes, of one segmenter and of several."""

import json
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO

from chexseg.config.settings import SegmenterSettings
from chexseg.data.masks import area, decode, read_masks
from chexseg.errors import InputError
from chexseg.models.trained import segmenter_of
from chexseg.models.weights import save_checkpoint
from chexseg.stages import predict

NAMES = ("Edema", "Heart/Lungs")


def save(path, seed, classes=NAMES, size=32):
    torch.manual_seed(seed)
    settings = SegmenterSettings(architecture="unet", decoder_channels=16, initial_weights="none")
    save_checkpoint(
        path, state_dict=segmenter_of(settings, len(classes)).state_dict(), kind="segmenter",
        settings=settings.model_dump(), classes=classes,
        extra={"image_size": size, "thresholds": [0.45, 0.55][: len(classes)]},
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three X-rays, and three segmenters, the last of which has one class."""
    folder = tmp_path_factory.mktemp("predict")
    rng = np.random.default_rng(0)
    for name in ("a", "b", "sub/c"):
        path = folder / f"x/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 30), dtype=np.uint8)).save(path)
    (folder / "x/notes.txt").write_text("no X-ray")
    (folder / "x/._a.png").write_bytes(b"of macOS")
    checkpoints = [save(folder / f"{seed}.pt", seed) for seed in (0, 1)]
    other = save(folder / "other.pt", 2, NAMES[:1])
    return SimpleNamespace(x=folder / "x", checkpoints=checkpoints, other=other)


def run(files, out, images=None, checkpoints=1, **options):
    images = (files.x,) if images is None else images
    predict.run(
        images=images, checkpoint=tuple(files.checkpoints[:checkpoints]), out=out, **options
    )
    return read_masks(out / "masks.json", pathologies=NAMES)


def names_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_x_rays(files, tmp_path):
    assert set(run(files, tmp_path)) == {"a", "b", "c"}
    written = {"a.png", "b.png", "c.png", "masks.json", "findings.csv", ".lock"}
    assert names_in(tmp_path) == written


def test_the_table_and_the_pictures_are_those_of_the_masks(files, tmp_path):
    masks = run(files, tmp_path, (files.x / "a.png",), write=("masks", "probabilities", "coco"))
    rows = pd.read_csv(tmp_path / "findings.csv", keep_default_na=False).set_index("pathology")
    assert set(names_in(tmp_path)) == {
        *(f"{kind}/a/{name}.png" for kind in ("masks", "probabilities")
          for name in ("Edema", "Heart_Lungs")),
        "masks.json", "findings.csv", "coco.json", ".lock",
    }  # fmt: skip
    for name, cut in zip(NAMES, (0.45, 0.55), strict=True):
        mask, file = decode(masks["a"][name]), f"a/{name.replace('/', '_')}.png"
        np.testing.assert_array_equal(
            np.asarray(Image.open(tmp_path / "masks" / file)), mask * np.uint8(255)
        )
        levels = np.asarray(Image.open(tmp_path / "probabilities" / file))
        assert levels.dtype == np.uint16
        assert ((levels > cut * 65535) != mask).mean() < 0.001
        row = rows.loc[name]
        assert row["area"] == mask.sum()
        assert row["share"] == mask.mean()
        assert row["probability"] == pytest.approx(levels.max() / 65535, abs=1e-5)
        assert row["disagreement"] == 0
    coco = COCO(str(tmp_path / "coco.json"))
    (image,) = coco.imgs.values()
    assert (image["file_name"], image["height"], image["width"]) == ("a", 40, 30)
    drawn = {coco.cats[each["category_id"]]["name"]: each for each in coco.anns.values()}
    assert set(drawn) == {name for name in NAMES if area(masks["a"][name])}
    for name, each in drawn.items():
        np.testing.assert_array_equal(coco.annToMask(each), decode(masks["a"][name]))


def test_several_segmenters_are_averaged(files, tmp_path):
    x_ray = (files.x / "a.png",)
    probability = []
    for number, checkpoint in enumerate(files.checkpoints):
        predict.run(images=x_ray, checkpoint=(checkpoint,), out=tmp_path / str(number),
                    write=("probabilities",))  # fmt: skip
        path = tmp_path / str(number) / "probabilities/a/Edema.png"
        probability.append(np.asarray(Image.open(path)) / 65535)
    masks = run(files, tmp_path / "both", x_ray, checkpoints=2)
    mean = np.mean(probability, axis=0)
    assert ((mean > 0.45) != decode(masks["a"]["Edema"])).mean() < 0.01
    row = pd.read_csv(tmp_path / "both" / "findings.csv").iloc[0]
    assert row["probability"] == pytest.approx(mean.max(), abs=1e-4)
    assert np.abs(probability[0] - probability[1]).max() > 0.001


def test_a_second_call_adds_to_the_first(files, tmp_path):
    first = run(files, tmp_path, (files.x / "a.png",), write=("coco",))
    assert list(run(files, tmp_path, (files.x / "b.png",), write=("coco",))) == ["a", "b"]
    both = read_masks(tmp_path / "masks.json", pathologies=NAMES)
    assert both["a"] == first["a"]
    table = pd.read_csv(tmp_path / "findings.csv", dtype=str)
    assert table["cxr_id"].tolist() == ["a", "a", "b", "b"]
    images = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["a", "b"]


def test_nothing_is_written_over(files, tmp_path):
    run(files, tmp_path, (files.x / "a.png",))
    before = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    with pytest.raises(InputError, match="nothing is written over"):
        run(files, tmp_path)
    assert before == {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}


def test_masks_that_cannot_be_read_are_kept(files, tmp_path):
    (tmp_path / "masks.json").write_text('{"old": ')
    with pytest.raises(InputError, match="invalid JSON"):
        run(files, tmp_path)
    assert (tmp_path / "masks.json").read_text() == '{"old": '


def test_commands_write_to_a_folder_one_after_the_other(tmp_path):
    command = Thread(target=predict._add, args=(tmp_path, {"a": {}}, []), kwargs={"coco": False})
    with predict._locked(tmp_path):
        command.start()
        command.join(0.3)
        assert not (tmp_path / "masks.json").exists()
    command.join()
    assert json.loads((tmp_path / "masks.json").read_text()) == {"a": {}}
    with pytest.raises(InputError, match="'a', which another command has added meanwhile"):
        predict._add(tmp_path, {"a": {}}, [], coco=False)


@pytest.mark.parametrize(
    ("images", "found"),
    [((), "no X-ray"), (("empty",), "a folder without X-rays"), (("x", "x/a.png"), "a second X-ray"),
     (("absent.png",), "no such file")],
    ids=str,
)  # fmt: skip
def test_x_rays_that_cannot_be_predicted(files, tmp_path, images, found):
    (files.x.parent / "empty").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=found):
        run(files, tmp_path / "out", tuple(files.x.parent / name for name in images))
    assert not (tmp_path / "out").exists()


def test_a_damaged_x_ray_does_not_cost_the_others(files, tmp_path):
    broken = tmp_path / "broken.jpg"
    values = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    Image.fromarray(values).save(broken)
    broken.write_bytes(broken.read_bytes()[:5000])  # the header is whole
    with pytest.raises(InputError, match=r"broken\.jpg: found a damaged image"):
        run(files, tmp_path / "out", (broken, files.x / "b.png"))
    assert list(read_masks(tmp_path / "out" / "masks.json", pathologies=NAMES)) == ["b"]


def test_segmenters_that_do_not_fit_together(files, tmp_path):
    with pytest.raises(InputError, match="segmenters of the same classes"):
        predict.run(images=(files.x,), checkpoint=(files.checkpoints[0], files.other), out=tmp_path)
    with pytest.raises(InputError, match="a checkpoint twice"):
        predict.run(images=(files.x,), checkpoint=(files.other,) * 2, out=tmp_path)
