import html

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chexseg.config.settings import FigureSettings
from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError
from chexseg.files.store import write_store
from chexseg.report.comparisons import counts, sentence
from chexseg.report.figure import TABLE, Figure
from chexseg.report.pictures import read_table
from chexseg.report.tables import Table
from chexseg.stages import draw_figure

SETTINGS = FigureSettings()
NAMES = ("Edema", "Cardiomegaly")
RUNS = ("full", "chexseg")


def averages_of(path):
    rows = [
        (run, pathology, metric, value, 0.1, 0.9, 4)
        for run, value in zip((*RUNS, "radiologists"), (0.2, 0.4, 0.6), strict=True)
        for metric in ("iou_dataset", "iou_image")
        for pathology in (*NAMES, "<script>", "mean")
    ]
    columns = ["run", "pathology", "metric", "value", "ci_low", "ci_high", "n_images"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def draw(name, out, **inputs):
    draw_figure.run(figure=name, out=(out,), settings=inputs.pop("settings", SETTINGS), **inputs)
    return out


@pytest.fixture
def gallery(tmp_path):
    """Everything that the gallery is drawn from: three test X-rays; masks know Edema alone."""
    rng = np.random.default_rng(0)
    ids = ("a", "b", "c")
    columns = {"cxr_id": ids, "path": "x", "patient": ids, "split": "test"}
    pd.DataFrame({**columns, "height": 40, "width": 30}).to_csv(tmp_path / "index.csv", index=False)
    with write_store(tmp_path / "images.h5", "images", {"image_size": 32}) as store:
        for cxr_id in ids:
            store.append(cxr_id, rng.integers(0, 255, (32, 32), np.uint8))
    with write_store(tmp_path / "maps.h5", "saliency", {"classes": NAMES}) as store:
        for cxr_id in ids:
            store.append(cxr_id, rng.random((2, 4, 4), np.float32).astype(np.float16))
    with write_store(
        tmp_path / "m.h5", "masks", {"classes": NAMES[:1], "columns": 32, "splits": ["train"]}
    ) as store:
        for cxr_id in ids[:2]:
            store.append(cxr_id, rng.random((1, 32, 32)) > 0.5)
    mask = np.zeros((40, 30), bool)
    mask[10:20, 5:15] = True
    masks = {cxr_id: dict.fromkeys(NAMES, encode(mask)) for cxr_id in ids}
    rows = [
        (cxr_id, cxr_id, name, shared, 100, 100, shared, 1200)
        for name in NAMES
        for cxr_id, shared in zip(ids, (10, 20, 30), strict=True)
    ]
    counts = ["intersection", "union", "truth_pixels", "predicted_pixels", "pixels"]
    overlaps = pd.DataFrame(rows, columns=["cxr_id", "patient", "pathology", *counts])
    for run in RUNS:
        write_masks(tmp_path / f"{run}.json", masks)
        overlaps.to_csv(tmp_path / f"{run}.csv", index=False)
    overlaps.assign(intersection=[99, 1, 50] * 2).to_csv(tmp_path / "human.csv", index=False)
    write_masks(tmp_path / "truth.json", masks)
    return {
        "index": tmp_path / "index.csv",
        "images": (tmp_path / "images.h5",),
        "truth": tmp_path / "truth.json",
        "overlaps": (*(tmp_path / f"{run}.csv" for run in RUNS), tmp_path / "human.csv"),
        "overlaps_names": (*RUNS, "radiologists"),
        "predictions": tuple(tmp_path / f"{run}.json" for run in RUNS),
        "predictions_names": RUNS,
        "saliency": (tmp_path / "maps.h5",),
        "saliency_names": ("gradcam",),
        "masks": (tmp_path / "m.h5",),
        "masks_names": ("irnet",),
    }


def test_the_gallery_is_the_same_each_time(gallery, tmp_path):
    one, two = (draw("gallery", tmp_path / name, **gallery) for name in ("one.png", "two.png"))
    assert one.read_bytes() == two.read_bytes()


def test_the_gallery_has_a_row_for_each_pathology_and_as_many_as_set(gallery, tmp_path):
    both = draw("gallery", tmp_path / "both.png", **gallery)
    settings = FigureSettings(gallery_rows=1)
    one = draw("gallery", tmp_path / "one.png", settings=settings, **gallery)
    heights = [Image.open(path).height for path in (one, both)]
    assert heights[1] > 1.7 * heights[0]


def test_the_gallery_shows_the_x_ray_of_the_segmenters_median(gallery):
    from chexseg.report.gallery import x_rays_of_rank

    tables = pd.concat([pd.read_csv(path) for path in gallery["overlaps"][:2]])
    assert x_rays_of_rank(tables, 0.5, 6) == [("Edema", "b"), ("Cardiomegaly", "b")]
    assert x_rays_of_rank(tables, 0.0, 6) == [("Edema", "a"), ("Cardiomegaly", "a")]
    assert x_rays_of_rank(tables, 1.0, 1) == [("Edema", "c")]


def test_galleries_of_best_median_and_worst_differ(gallery, tmp_path):
    names = ("gallery", "gallery_best", "gallery_worst")
    made = {draw(name, tmp_path / f"{name}.png", **gallery).read_bytes() for name in names}
    assert len(made) == 3


def test_the_human_does_not_choose_the_x_rays_of_the_gallery(gallery, tmp_path):
    with_human = draw("gallery", tmp_path / "with.png", **gallery)
    for key in ("overlaps", "overlaps_names"):
        gallery[key] = gallery[key][:2]
    assert draw("gallery", tmp_path / "without.png", **gallery).read_bytes() == (
        with_human.read_bytes()
    )


def test_a_study_without_maps_and_masks_has_a_gallery(gallery, tmp_path):
    whole = draw("gallery", tmp_path / "whole.png", **gallery)
    few = {key: value for key, value in gallery.items() if key[:5] not in ("salie", "masks")}
    widths = [
        Image.open(draw("gallery", tmp_path / "few.png", **few)).width,
        Image.open(whole).width,
    ]
    assert widths[0] < widths[1]


def test_the_gallery_leaves_out_columns_and_says_so(gallery, tmp_path):
    shown = ("saliency/gradcam", "segmenters/full")
    whole = Image.open(draw("gallery", tmp_path / "whole.png", **gallery))
    some = Image.open(draw("gallery", tmp_path / "some.png", **gallery, shown=shown))
    column = (1.72 + 0.05) * 110
    assert whole.width - some.width == pytest.approx(2 * column, abs=2)  # irnet, and chexseg
    assert some.height - whole.height == pytest.approx(0.28 * 110, abs=2)  # the footer


def test_bars_and_table_of_scores(tmp_path):
    averages = averages_of(tmp_path / "averages.csv")
    for figure, suffix in (("bars", "png"), ("bars", "pdf"), ("bars", "svg"), ("table", "html")):
        paths = [tmp_path / f"{number}.{suffix}" for number in (1, 2)]
        contents = [draw(figure, path, averages=averages).read_bytes() for path in paths]
        assert contents[0] == contents[1]
    page = (tmp_path / "1.html").read_text()
    assert page.count('class="best">0.400') == 2 * 4
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert page.count("<h2>") == 2


def test_quality_of_masks_of_one_and_of_many_sources(tmp_path):
    columns = ["masks", "split", "pathology", "metric", "value", "ci_low", "ci_high", "n_images"]
    many = [
        (name, split, pathology, metric, 0.3, 0.2, 0.5, 7)
        for name, splits in [("cam", "ev"), ("20", "v"), ("blind_mean", "v")]
        for split in [{"e": "expert", "v": "validation"}[short] for short in splits]
        for metric in ("iou_dataset", "precision", "recall")
        for pathology in (*NAMES, "mean")
    ]
    sizes = []
    for number, rows in enumerate((many, many[-9:])):
        table = pd.DataFrame(rows, columns=columns)
        table.loc[0, ["value", "ci_low", "ci_high"]] = np.nan
        table.to_csv(tmp_path / f"{number}.csv", index=False)
        outs = [tmp_path / f"{number}{copy}.png" for copy in "ab"]
        one, two = (draw("mask_quality", out, mask_quality=tmp_path / f"{number}.csv")
                    for out in outs)  # fmt: skip
        assert one.read_bytes() == two.read_bytes()
        sizes.append(Image.open(one).size)
    assert sizes[0][0] > sizes[1][0]  # a panel more, of the split expert
    assert sizes[0][1] > sizes[1][1]


COMPARISONS = """\
contrast,run,against,metric,pathology,difference,ci_low,ci_high,patients_low,patients_high,seeds_low,seeds_high,\
n_images,n_seeds,n_left_out,p_holm
gain,a,b,iou_dataset,Edema,0.03,0.01,0.05,0.02,0.04,0.0,0.06,9,3,0,
gain,a,b,iou_dataset,Nodule,0.03,-0.01,0.07,0.02,0.04,0.0,0.06,9,3,0,
gain,a,b,iou_dataset,mean,0.03,0.01,0.05,0.02,0.04,0.0,0.06,9,3,1,0.0004
20,c,d,iou_dataset,Edema,,,,,,,,0,1,1,
20,c,d,iou_dataset,mean,-0.01,-0.03,0.01,-0.03,0.01,,,9,1,0,0.21
gain,a,b,false_positives,mean,0.1,0.05,0.15,0.08,0.12,0.06,0.14,9,3,0,0.01
20,c,d,false_positives,mean,,,,,,,,9,1,2,
"""


def test_comparisons_with_ties_and_without_scores(tmp_path):
    path = tmp_path / "comparisons.csv"
    path.write_text(COMPARISONS)
    one, two = (draw("comparisons", tmp_path / f"{n}.png", comparisons=path) for n in (1, 2))
    assert one.read_bytes() == two.read_bytes()
    rows = read_table(path)
    means = rows[rows["pathology"] == "mean"].set_index(["contrast", "metric"])
    assert [
        sentence(row, metric == "false_positives") for (_, metric), row in means.iterrows()
    ] == [
        "+0.030 [+0.010, +0.050], Holm's p < 0.001: better",
        "-0.010 [-0.030, +0.010], Holm's p = 0.210: tie",
        "+0.100 [+0.050, +0.150], Holm's p = 0.010: worse",
        "nothing to compare",
    ]
    others = rows[rows["pathology"] != "mean"]
    of_gain = others[others["contrast"] == "gain"]
    assert counts(means.loc["gain", "iou_dataset"], of_gain, False) == (
        "n = 9 X-rays, 3 seeds; by pathology: 1 better, 1 tie, 0 worse; 1 left out"
    )


def test_a_study_without_contrasts_has_a_figure_that_says_so(tmp_path):
    path = tmp_path / "comparisons.csv"
    path.write_text(COMPARISONS.splitlines()[0] + "\n")
    assert draw("comparisons", tmp_path / "empty.png", comparisons=path).stat().st_size > 1000


@pytest.mark.parametrize("epochs", [1, 3])
def test_curves_of_trainings(tmp_path, epochs):
    rows = {"epoch": range(1, epochs + 1), "loss": 0.5, "score": 0.1}
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame(rows).drop(columns="score").to_csv(tmp_path / "b.csv", index=False)
    files = {"trainings": (tmp_path / "a.csv", tmp_path / "b.csv"), "trainings_names": ("x", "y")}
    one, two = (draw("curves", tmp_path / name, **files) for name in ("1.png", "2.png"))
    assert one.read_bytes() == two.read_bytes()


def test_an_artifact_that_a_figure_needs(tmp_path):
    with pytest.raises(InputError, match="Pass --averages"):
        draw("bars", tmp_path / "bars.png")


def test_a_format_that_a_figure_does_not_have(tmp_path):
    averages = averages_of(tmp_path / "averages.csv")
    for figure, suffix in (("bars", ".html"), ("table", ".png")):
        with pytest.raises(InputError, match=f"'{suffix}', expected one of"):
            draw(figure, tmp_path / f"x{suffix}", averages=averages)


def test_a_published_score_that_is_cut_short(tmp_path):
    averages = averages_of(tmp_path / "averages.csv")
    with pytest.raises(InputError, match="expected name, run, metric, value, data and source"):
        draw("bars", tmp_path / "b.png", averages=averages, published=("paper,full,iou,0.2",))


@pytest.mark.parametrize(
    ("files", "entries"),
    [(("a", "b"), ("x",)), (("a", "b"), ("x", "x")), (("a",), ()), ((), ("x",))],
)
def test_each_training_has_a_name(tmp_path, files, entries):
    files = tuple(tmp_path / name for name in files)
    with pytest.raises(InputError, match="one per name"):
        draw("curves", tmp_path / "c.png", trainings=files, trainings_names=entries)


@pytest.mark.parametrize("entries", [("x", "y"), (), ("x", "x")])
def test_each_source_of_masks_has_equally_many_shards(gallery, tmp_path, entries):
    gallery |= {"masks": gallery["masks"] * 3, "masks_names": entries}
    with pytest.raises(InputError, match="equally many files per name"):
        draw("gallery", tmp_path / "g.png", **gallery)


def test_a_figure_of_another_package_gets_the_files_of_its_roles(tmp_path, monkeypatch):
    def make(inputs, settings):
        return Table(f"{inputs.trainings} {inputs.summary}", [], pd.DataFrame())

    figure = Figure(make, ("trainings",), "Mine", "mine", "Mine.", formats=TABLE)
    monkeypatch.setattr(
        draw_figure, "load", lambda kind, name: {("figure", "mine"): figure}[kind, name]
    )
    files = {"trainings": (tmp_path / "a",), "trainings_names": ("full",), "summary": tmp_path}
    out = draw("mine", tmp_path / "mine.html", **files)
    title = html.escape(f"{ {'full': tmp_path / 'a'} } None")
    assert f"<title>{title}</title>" in out.read_text()
