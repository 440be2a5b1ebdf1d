"""How often intervals of a difference contain the true difference, on simulated studies.

A study compares two methods, each trained with k seeds and scored on the same patients. Scores are
IoU over the data set. Seeds, patients, and patients for each seed have effects of their own, so the
true difference is known: that for all patients and all seeds. Prints how often intervals of 95 %
contain it: ours; with the same variance, the t interval with Satterthwaite's degrees of freedom and
the interval with the weighted quantiles of Cochran & Cox; the percentile interval of a nested
bootstrap (patients, and seeds within), the same with the variance of seeds multiplied by
k / (k - 1), and the interval for patients alone.

    python benchmarks/coverage.py            # about five minutes on one core
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from chexseg.evaluation.comparisons import Difference, differences
from chexseg.evaluation.intervals import resamples
from chexseg.evaluation.scores import MEAN, Scores
from chexseg.evaluation.variance import Variance

OUT = Path("benchmarks/results/coverage.csv")
BAR = "ours between 93 and 97 %"
PATHOLOGIES = 3
NAMES = (*(f"pathology {p}" for p in range(PATHOLOGIES)), MEAN)
BATCH = 50
DIFFERENCE = 0.012
"""Between the two methods: about the lead of CheXseg on the phantom."""


def studies(
    number: int,
    *,
    n_seeds: int,
    n_patients: int,
    seed_sd: float,
    patient_sd: float = 0.08,
    interaction_sd: float = 0.05,
    difference: float = DIFFERENCE,
    replicates: int = 300,
    seed: int = 0,
) -> Iterator[tuple[list[Scores], list[Scores]]]:
    """Yields simulated studies: the scores of the seeds of either method.

    An X-ray shows a pathology by even chance, with a union of log-normal size. Its IoU is the
    method's, plus normal effects. All effects are independent of the union, so the IoU over all
    X-rays that there could be is the method's.

    Args:
        number: number of studies.
        n_seeds: seeds of each method; those of the two methods are independent.
        n_patients: patients, with one X-ray each.
        seed_sd: standard deviation of a method's mean score over seeds.
        patient_sd: standard deviation of an X-ray's IoU between methods, for all seeds.
        interaction_sd: the same for a seed.
        difference: true difference.
        replicates: resamples of the patients.
        seed: seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, number, BATCH):
        batch = min(BATCH, number - start)
        union = rng.lognormal(0, 0.5, (batch, 1, 1, n_patients, PATHOLOGIES))
        union *= rng.random(union.shape) < 0.5
        shape = (batch, 2, n_seeds, n_patients, PATHOLOGIES)
        iou = np.array([0.26 + difference, 0.26])[:, None, None, None]
        # Independent for each pathology, so that their mean has the deviation asked for.
        of_seeds = rng.normal(0, seed_sd * PATHOLOGIES**0.5, (batch, 2, n_seeds, 1, PATHOLOGIES))
        of_patients = rng.normal(0, 0.1, union.shape)
        of_patients = of_patients + rng.normal(0, patient_sd, (batch, 2, 1, *shape[3:]))
        of_both = rng.normal(0, interaction_sd, shape)
        sums = np.concatenate(
            [((iou + of_seeds + of_patients + of_both) * union).reshape(batch, -1, *shape[3:]),
             union[:, 0]], axis=1,
        )  # fmt: skip
        values = _with_mean(sums.sum(2))
        # One matrix product for all studies of a batch, which share their resamples.
        flat = np.moveaxis(sums, 2, 0).reshape(n_patients, -1)
        drawn = resamples(n_patients, replicates, int(rng.integers(2**32))) @ flat
        drawn = np.moveaxis(drawn.reshape(replicates, batch, -1, PATHOLOGIES), 0, 2)
        replicate = _with_mean(drawn)
        n_images = (union > 0).sum(3).reshape(batch, PATHOLOGIES)
        for study in range(batch):
            counts = np.array([[*n_images[study], n_patients]])
            scores = [
                Scores(
                    ("iou_dataset",), NAMES, values[study, run][None],
                    replicate[study, run][None], counts, 0.95, n_patients, (False,),
                )
                for run in range(2 * n_seeds)
            ]  # fmt: skip
            yield scores[:n_seeds], scores[n_seeds:]


def _with_mean(sums: np.ndarray) -> np.ndarray:
    """Divides the sums [batch, runs + 1, ..., P] of runs by the last; adds the mean."""
    scores = sums[:, :-1] / sums[:, -1:]
    return np.concatenate([scores, scores.mean(-1, keepdims=True)], axis=-1)


def mean_difference(run: list[Scores], against: list[Scores]) -> Difference:
    """Returns the difference of the means over pathologies."""
    return differences(run, against)[-1]


def nested_percentiles(
    run: list[Scores], against: list[Scores], factor: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Returns the percentile interval of a bootstrap over patients, and seeds within."""
    pairs = zip(run, against, strict=True)
    each = np.array([(a.replicates - b.replicates)[0, :, -1] for a, b in pairs])
    drawn = rng.integers(len(each), size=each.shape)
    of_seeds = np.take_along_axis(each, drawn, axis=0).mean(0)
    low, high = np.quantile(each.mean(0) + factor * (of_seeds - each.mean(0)), [0.025, 0.975])
    return low, high


def peers(value: float, variance: Variance) -> dict[str, tuple[float, float]]:
    """Returns the intervals of other approximations with the same variance."""
    k, n, error = variance.n_seeds, variance.n_patients, variance.total**0.5
    share = variance.seeds / k / variance.total
    freedom = 1 / (share**2 / (k - 1) + (1 - share) ** 2 / (n - 1))
    quantiles = {
        "satterthwaite": stdtrit(freedom, 0.975),
        "cochran_cox": share * stdtrit(k - 1, 0.975) + (1 - share) * stdtrit(n - 1, 0.975),
    }
    return {name: (value - q * error, value + q * error) for name, q in quantiles.items()}


def coverage(
    number: int, *, n_seeds: int, n_patients: int, seed_sd: float, seed: int
) -> dict[str, float]:
    """Returns the share of studies whose intervals contain the true difference."""
    hits, rng = [], np.random.default_rng(1)
    corrected = (n_seeds / (n_seeds - 1)) ** 0.5
    for pair in studies(
        number,
        n_seeds=n_seeds,
        n_patients=n_patients,
        seed_sd=seed_sd,
        replicates=1000,
        seed=seed,
    ):
        found = mean_difference(*pair)
        row = found.row()
        intervals = {
            "ours": (row["ci_low"], row["ci_high"]),
            **peers(found.value, found.variance),
            "nested": nested_percentiles(*pair, 1.0, rng),
            "nested_corrected": nested_percentiles(*pair, corrected, rng),
            "patients": (row["patients_low"], row["patients_high"]),
        }
        hits.append({name: low <= DIFFERENCE <= high for name, (low, high) in intervals.items()})
    return pd.DataFrame(hits).mean().to_dict()


def page(table: pd.DataFrame) -> str:
    """Returns the table of docs/method.md, in Markdown."""
    heads = [*("seeds", "patients", "SD"), *table.columns[3:]]
    lines = [
        f"| {' | '.join(head.replace('_', ' ') for head in heads)} |",
        "|---" * len(heads) + "|",
    ]
    for row in table.itertuples(index=False):
        shares = " | ".join(f"{100 * share:.1f} %" for share in row[3:])
        lines.append(f"| {row.n_seeds} | {row.n_patients} | {row.seed_sd} | {shares} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=4000, help="Studies in each row.")
    number = parser.parse_args().studies
    rows = []
    for n_seeds, n_patients, seed_sd in itertools.product(
        (3, 4, 5), (120, 480), (0.0, 0.005, 0.01, 0.02)
    ):
        settings = {"n_seeds": n_seeds, "n_patients": n_patients, "seed_sd": seed_sd}
        rows.append(settings | coverage(number, **settings, seed=len(rows)))
        print(rows[-1], file=sys.stderr)
    table = pd.DataFrame(rows)
    table.to_csv(OUT, index=False, float_format="%.4f", lineterminator="\n")
    print(page(table))
    if not table["ours"].between(0.93, 0.97).all():
        sys.exit(f"missed: {BAR}")


if __name__ == "__main__":
    main()
