"""Figures of studies with many entries, of which they show some."""

import pandas as pd
import pytest
from PIL import Image

from chexseg.config.settings import FigureSettings
from chexseg.report import pictures
from chexseg.stages import draw_figure

NAMES = ("Edema", "Cardiomegaly")


def tables_of(folder, runs):
    """Tables of many runs, sources, contrasts and trainings: the inputs of each figure of them."""
    values = {"value": 0.4, "ci_low": 0.3, "ci_high": 0.5, "n_images": 9}
    scores = [
        {
            "run": run,
            "masks": source,
            "split": "validation",
            "pathology": name,
            "metric": "iou_dataset",
        }
        for run, source in (*zip(runs, runs, strict=True), ("radiologists", "blind_mean"))
        for name in (*NAMES, "mean")
    ]
    table = pd.DataFrame(scores).assign(**values)
    table.drop(columns=["masks", "split"]).to_csv(folder / "averages.csv", index=False)
    table.drop(columns="run").to_csv(folder / "quality.csv", index=False)
    differences = [{"contrast": run, "run": run, "against": "a", "metric": "iou_dataset",
                    "pathology": name}
                   for run in runs for name in (*NAMES, "mean")]  # fmt: skip
    values = {"difference": 0.03, "n_images": 9, "n_seeds": 3, "n_left_out": 0, "p_holm": 0.1}
    values |= {f"{of}_{end}": 0.02 for of in ("ci", "patients", "seeds") for end in ("low", "high")}
    table = pd.DataFrame(differences).assign(**values)
    table.to_csv(folder / "comparisons.csv", index=False)
    pd.DataFrame({"epoch": [1], "loss": 0.5}).to_csv(folder / "epochs.csv", index=False)
    trainings = {
        "trainings": (folder / "epochs.csv",) * len(runs),
        "trainings_names": tuple(f"segmenters/{run}" for run in runs),
    }
    return {
        "bars": ("segmenters", {"averages": folder / "averages.csv"}),
        "mask_quality": ("masks", {"mask_quality": folder / "quality.csv"}),
        "comparisons": ("contrasts", {"comparisons": folder / "comparisons.csv"}),
        "curves": ("segmenters", trainings),
    }


@pytest.mark.parametrize("figure", ["bars", "mask_quality", "comparisons", "curves"])
def test_a_figure_of_many_entries_is_as_large_as_one_of_those_that_it_shows(
    tmp_path, figure, monkeypatch
):
    notes = []
    note = pictures.note_of_left_out
    monkeypatch.setattr(
        pictures, "note_of_left_out", lambda *given: notes.append(note(*given)) or notes[-1]
    )
    sizes = []
    for number in (6, 60):
        section, files = tables_of(tmp_path, [f"run_{n}" for n in range(number)])[figure]
        shown = [f"{section}/run_{n}" for n in range(5)]
        out = tmp_path / "figure.png"
        settings = FigureSettings()
        draw_figure.run(figure=figure, out=(out,), settings=settings, **files, shown=tuple(shown))
        sizes.append(Image.open(out).size)
    assert sizes[0] == sizes[1]
    assert [text.split()[0] for text in notes] == ["1", "55"]
