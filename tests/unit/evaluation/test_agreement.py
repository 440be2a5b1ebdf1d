"""The agreement of voters, summed over shards."""

import numpy as np

from chexseg.evaluation.agreement import agreement_table

NOTES = [
    {"images": [2, 0], "without_map": [1, 0], "left_out": [1, 0],
     "likeness": [[1.5, 0], [0.5, 0]], "silent": [[1, 0], [2, 0]]},
    {"images": [2, 0], "without_map": [0, 3], "left_out": [0, 0],
     "likeness": [[1.5, 0], [1.5, 0]], "silent": [[0, 3], [0, 3]]},
]  # fmt: skip


def test_means_over_the_x_rays_of_all_shards():
    table = agreement_table({"doll": (["Edema", "Fracture"], ["a", "b"], NOTES)})
    rows = table.astype(object).where(table.notna(), None).values.tolist()
    assert rows == [
        ["doll", "Edema", "a", 0.75, 4, 1, None],
        ["doll", "Edema", "b", 0.5, 4, 2, None],
        ["doll", "Edema", "mean", 0.625, 4, 1, 1],
        ["doll", "Fracture", "a", None, 0, 3, None],
        ["doll", "Fracture", "b", None, 0, 3, None],
        ["doll", "Fracture", "mean", None, 0, 3, 0],
    ]


def test_without_sources_the_table_is_empty():
    table = agreement_table({})
    assert len(table) == 0
    assert "agreement" in table
    assert np.array_equal(table.columns[:3], ["masks", "pathology", "voter"])
