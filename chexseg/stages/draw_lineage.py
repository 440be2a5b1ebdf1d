"""Picture of a study's lineage: every stage and entry behind its summary."""

from __future__ import annotations

from pathlib import Path

from chexseg.audit.lineage import lineage_of
from chexseg.audit.study import study_of
from chexseg.files.artifacts import Output
from chexseg.report.lineage import draw


def run(*, artifact: Path, out: Output) -> None:
    """Draw what an artifact was made from, according to its records.

    Args:
        artifact: The artifact, such as the study's summary.csv.
        out: PNG or SVG.

    Raises:
        InputError: the artifact has no record, or lies in no study.
    """
    study, place = study_of(artifact)
    draw(lineage_of(study, place), out)
