"""The names of CheXpert's observations and CheXlocalize's pathologies: the one list of them."""

from __future__ import annotations

OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""The 14 observations that CheXpert labels, in the order of its columns."""

PATHOLOGIES = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Lesion",
    "Airspace Opacity",
    "Edema",
    "Consolidation",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Support Devices",
)
"""The ten pathologies that CheXlocalize outlines, in the order of its tables."""

COMPETITION = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The five observations of CheXpert's competition: their mean AUROC selects classifiers."""

COMMON = ("Enlarged Cardiomediastinum", "Support Devices", "Cardiomegaly", "Atelectasis")
"""The four pathologies whose validation IoU selects segmenters (CheXseg, section 4)."""

_OBSERVATION_OF = {"Airspace Opacity": "Lung Opacity"}


def observation_of(pathology: str) -> str:
    """Returns the CSV column that labels `pathology`: `Airspace Opacity` is `Lung Opacity` there.

    Raises:
        KeyError: `pathology` is not one of PATHOLOGIES.
    """
    if pathology not in PATHOLOGIES:
        raise KeyError(pathology)
    return _OBSERVATION_OF.get(pathology, pathology)
