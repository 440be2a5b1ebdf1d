"""Studies of other pathologies than CheXpert's, from tables to scores."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from chexseg.config.settings import (
    ClassifierSettings,
    EvaluationSettings,
    ImageSettings,
    IndexSettings,
    PredictionSettings,
    SegmenterSettings,
)
from chexseg.data.index import findings_of, positives_of, read_index
from chexseg.data.masks import encode
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.models.weights import load_checkpoint
from chexseg.stages import (
    build_index,
    check_data,
    evaluate,
    predict_masks,
    store_images,
    train_classifier,
    train_segmenter,
)
from tests.stages.methods import compute_maps, make
from tests.stages.release_files import release_files

PATHOLOGIES = ("Tuberculosis", "Fracture", "Edema")
FINDINGS = ("Edema", "Pneumonia", "Fracture", "Tuberculosis")
SHORT = {"initial_weights": "none", "epochs": 1, "batch_size": 8}


@pytest.fixture
def release(phantom_copy, monkeypatch, tmp_path):
    """A release with a column of its own, and with masks of it and of fractures."""
    monkeypatch.chdir(tmp_path)
    files = release_files(phantom_copy)
    for role, masks in (("train_csv", None), ("val_csv", "val_masks"), ("test_csv", "test_masks")):
        (path,) = files["inputs"][role]
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        fracture = header.index("Fracture")
        for number, row in enumerate(rows):
            row[fracture] = f"{number % 2}.0"
            row.append(f"{number % 3 == 0:d}")
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([[*header, "Tuberculosis"], *rows])
        if masks:
            (path,) = files["inputs"][masks]
            drawn = json.loads(path.read_text())
            for cxr_id, entry in drawn.items():
                mask = np.zeros(entry["Edema"]["size"], bool)
                mask[10:30, 8:40] = True
                labels = {"/".join(row[0].split("/")[-3:])[:-4]: row for row in rows}
                row = labels[cxr_id.replace("_", "/", 2)]
                entry["Fracture"] = encode(mask & (row[fracture] == "1.0"))
                entry["Tuberculosis"] = encode(mask[::-1] & (row[-1] == "1"))
            path.write_text(json.dumps(drawn))
    return files


def test_from_tables_to_scores(release, tmp_path, capsys):
    names = {"findings": FINDINGS, "pathologies": PATHOLOGIES}
    check_data.run(**release, **names, out=tmp_path / "report.txt")
    report = (tmp_path / "report.txt").read_text()
    assert "labelled 0, but with a mask" not in report
    drawn = [line.split()[-1] for line in report.splitlines() if line.startswith("Tuberculosis")]
    assert drawn == ["-", "3", "2"]  # of train, validation and test
    index, images, masks = (tmp_path / name for name in ("index.csv", "i.h5", "m.h5"))
    build_index.run(**release, **names, out=index, settings=IndexSettings(expert_fraction=0.5))
    rows = read_index(index)
    assert findings_of(rows) == FINDINGS
    size = ImageSettings(image_size=64)
    store_images.run(index=index, root=release["root"], out=images, settings=size)
    (drawn,), (truth,) = release["inputs"]["val_masks"], release["inputs"]["test_masks"]
    make("drawn", index, images, masks, {"masks": drawn}, classes=PATHOLOGIES)

    classifier = tmp_path / "c.pt"
    train_classifier.run(
        index=index,
        images=(images,),
        out=classifier,
        metrics=tmp_path / "c.csv",
        settings=ClassifierSettings(
            architecture="densenet_small", stride=16, selection=("Fracture",), **SHORT
        ),
    )
    assert load_checkpoint(classifier, kind="classifier").classes == FINDINGS
    figures = pd.read_csv(tmp_path / "c.csv").iloc[-1]
    assert figures["score"] == figures["auroc Fracture"]

    saliency, pseudo = tmp_path / "s.h5", tmp_path / "p.h5"
    compute_maps("gradcam", images, (classifier,), saliency, PATHOLOGIES)
    compute_maps("gradcam", images, (classifier,), tmp_path / "one.h5", ("Fracture",))
    one, three = Store([tmp_path / "one.h5"], "saliency"), Store([saliency], "saliency")
    np.testing.assert_allclose(one.batch(one.ids)[:, 0], three.batch(one.ids)[:, 1], atol=1e-3)
    make("threshold", index, images, pseudo, {"saliency": saliency}, threshold=0.3)
    store = Store([pseudo], "masks")
    grown, positive = (
        store.batch(store.ids).any((2, 3)),
        positives_of(rows.loc[store.ids], PATHOLOGIES),
    )
    assert not (grown & ~positive).any()
    assert grown.any(0).all()

    segmenter, predicted = tmp_path / "seg.pt", tmp_path / "seg.json"
    train_segmenter.run(
        index=index,
        images=(images,),
        truth=(masks,),
        masks=(masks, pseudo),
        sources=("expert", "cam"),
        mixing=(0.9, 0.1),
        out=segmenter,
        metrics=tmp_path / "seg.csv",
        settings=SegmenterSettings(
            architecture="unet", decoder_channels=16, selection=("Tuberculosis",), **SHORT
        ),
    )
    figures = pd.read_csv(tmp_path / "seg.csv").iloc[-1]
    assert figures["score"] == figures["iou_dataset Tuberculosis"]
    predict_masks.run(
        index=index,
        images=(images,),
        checkpoint=segmenter,
        out=predicted,
        settings=PredictionSettings(),
    )
    assert set(next(iter(json.loads(predicted.read_text()).values()))) == set(PATHOLOGIES)
    evaluate.run(
        index=index,
        gt=truth,
        pred=predicted,
        out=tmp_path / "scores.csv",
        pathologies=PATHOLOGIES,
        settings=EvaluationSettings(replicates=20),
    )
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert set(scores["pathology"]) == {*PATHOLOGIES, "mean"}
    assert scores.loc[scores["metric"] == "iou_dataset", "value"].notna().all()


def index_of(release, out, **names):
    build_index.run(**release, **names, out=out, settings=IndexSettings(expert_fraction=0.5))


def test_a_finding_that_no_table_has(release, tmp_path):
    with pytest.raises(InputError) as caught:
        index_of(
            release, tmp_path / "i.csv", findings=("Edema", "Tuberculose"), pathologies=("Edema",)
        )
    assert [problem.found for problem in caught.value.problems] == ["no column 'Tuberculose'"] * 3
    assert all("nearest column is 'Tuberculosis'" in p.remedy for p in caught.value.problems)


def test_a_pathology_that_the_masks_lack(release, tmp_path):
    with pytest.raises(InputError) as caught:
        index_of(release, tmp_path / "i.csv", findings=("Edema",), pathologies=("Fractur",))
    problems = caught.value.problems
    assert {problem.found for problem in problems} == {"no mask"}
    assert all("nearest name there is 'Fracture'" in problem.remedy for problem in problems)


def test_a_pathology_without_labels_is_indexed_and_gates_nothing(release, tmp_path):
    index_of(release, tmp_path / "i.csv", findings=("Pneumonia",), pathologies=("Fracture",))
    rows = read_index(tmp_path / "i.csv")
    assert findings_of(rows) == ("Pneumonia",)
    with pytest.raises(InputError, match=r"Add it to data\.findings\.$"):
        positives_of(rows, ("Fracture",))
    with pytest.raises(InputError, match="the nearest there is 'Pneumonia'"):
        positives_of(rows, ("Pneumonias",))
    check_data.run(
        **release, findings=("Pneumonia",), pathologies=("Fracture",), out=tmp_path / "r.txt"
    )
    text = (tmp_path / "r.txt").read_text()
    assert [line.split()[1:6] for line in text.splitlines() if line.startswith("Fracture")] == [
        ["-"] * 5
    ] * 3


def test_a_classifier_that_was_not_trained_for_a_pathology(release, tmp_path):
    index, images, classifier = (tmp_path / name for name in ("index.csv", "i.h5", "c.pt"))
    index_of(release, index, findings=("Edema", "Fracture"), pathologies=("Edema",))
    store_images.run(
        index=index, root=release["root"], out=images, settings=ImageSettings(image_size=32)
    )
    train_classifier.run(
        index=index,
        images=(images,),
        out=classifier,
        metrics=tmp_path / "c.csv",
        settings=ClassifierSettings(architecture="densenet_small", **SHORT),
    )
    with pytest.raises(InputError) as caught:
        compute_maps("gradcam", images, (classifier,), tmp_path / "s.h5", ("Fractures", "Edema"))
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (str(classifier), "no output 'Fractures'")
    assert "'Fracture'" in problem.remedy
    assert not (tmp_path / "s.h5").exists()
