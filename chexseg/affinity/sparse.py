"""Sparse CSR matrices for the random walk and the dense CRF."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def csr_matrix(row_ends: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns a sparse CSR matrix of `size`, without validation.

    Args:
        row_ends: [rows + 1], index into `columns` and `values` at which each row begins; the last
            entry is their length.
        columns: [entries], the column of each entry.
        values: [entries], float32.
        size: (rows, columns).

    Indices are stored in 32 bits, since matrix products have no fast kernel for 64-bit indices.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            row_ends.int(), columns.int(), values, size=size, check_invariants=False
        )
