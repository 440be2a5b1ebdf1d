import pytest

from chexseg.data.pathologies import OBSERVATIONS, PATHOLOGIES, observation_of
from chexseg.errors import nearest


def test_the_lists_of_names():
    assert (len(OBSERVATIONS), len(PATHOLOGIES)) == (14, 10)
    assert [observation_of(pathology) for pathology in PATHOLOGIES if pathology != "Edema"][
        2:4
    ] == [
        "Lung Lesion",
        "Lung Opacity",
    ]
    assert {observation_of(pathology) for pathology in PATHOLOGIES} < set(OBSERVATIONS)
    with pytest.raises(KeyError):
        observation_of("Lung Opacity")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("edma", "Edema"), ("EDEMA", "Edema"), ("", "Atelectasis"), ("xyz", None)],
)
def test_nearest_always_names_one(name, expected):
    near = nearest(name, OBSERVATIONS)
    assert near in OBSERVATIONS
    if expected and name:
        assert near == expected
