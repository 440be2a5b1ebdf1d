"""Lists the boxes of all readers, and how far the readers agree."""

from __future__ import annotations

from pathlib import Path

from chexseg.data.box_fusion import SAME
from chexseg.data.boxes import box_masks, corners_of
from chexseg.data.index import read_index
from chexseg.data.layouts.release import read_release
from chexseg.data.masks import encode, write_masks
from chexseg.data.readings import write_readings
from chexseg.errors import InputError
from chexseg.evaluation.reader_agreement import agreement_of_readers
from chexseg.files.artifacts import Folder, Inputs, Output
from chexseg.files.atomic import atomic


def run(
    *,
    layout: str,
    inputs: Inputs,
    root: Folder,
    index: Path,
    findings: tuple[str, ...],
    pathologies: tuple[str, ...],
    out: Output,
    agreement: Output,
    test_masks: Output,
) -> None:
    """List the boxes of the X-rays of a study, with their readers and findings.

    Args:
        layout: Layout of the data.
        inputs: The files of the layout, by role.
        root: Data folder; every X-ray must be inside it.
        index: The study's index.
        findings: Labels that the index has.
        pathologies: Classes of masks, each a finding or Abnormality.
        out: The boxes (CSV), in pixels of the X-rays; a reader who drew nothing has a row, too.
        agreement: Agreement of the readers of the X-rays that are not for testing, a row per finding
            (CSV).
        test_masks: Masks of the boxes of the test X-rays, all readers' (CheXlocalize JSON).

    Raises:
        InputError: lists everything wrong with the data, or the layout has no boxes.
    """
    release = read_release(layout, root, inputs, findings=findings, pathologies=pathologies)
    if release.problems:
        raise InputError(release.problems)
    rows = read_index(index)
    readings = {cxr_id: release.readings[cxr_id] for cxr_id in rows.index}
    with atomic(out) as temporary:
        write_readings(temporary, readings)
    learnt = {name: readings[name] for name in rows.index[rows["split"] != "test"]}
    drawn = dict.fromkeys(b.finding for each in readings.values() for b in each.boxes)
    table = agreement_of_readers(
        [box for each in learnt.values() for box in each.boxes],
        {cxr_id: each.readers for cxr_id, each in learnt.items()},
        sorted(drawn),
        same=SAME,
    )
    with atomic(agreement) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    masks = {}
    for cxr_id, row in rows[rows["split"] == "test"].iterrows():
        height, width, reading = int(row["height"]), int(row["width"]), readings[cxr_id]
        if not reading.boxes:  # as in CheXlocalize, whose X-rays without a finding have no entry
            continue
        masks[cxr_id] = {
            name: encode(box_masks(corners_of(reading.showing(name)), height, width).any(0))
            for name in pathologies
        }
    write_masks(test_masks, masks)
    number = sum(len(each.boxes) for each in readings.values())
    print(f"{number} boxes in {len(readings)} X-rays.")
    print(table.to_string(index=False))
