"""Peak memory of every stage for 400 and for 4,000 phantom X-rays: it must hardly grow with them.

Each stage is a process of its own, started through the command line; its peak is what the kernel
counted (`ru_maxrss`). X-rays, networks and trainings are as small as they may be, so that memory
which grows with the number of X-rays would show. Tables and ids take a few KB an X-ray; the peak of
a stage that loads torch varies by more than that, but by less than a tenth. Prints a table, writes
benchmarks/results/memory.csv, and ends with exit code 1 if a stage missed the bar.

This module imports nothing heavy: a process begins with the peak of the one that started it.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from names import row_name

COUNTS = (400, 4000)
MOST_PERCENT, MOST_KB = 10, 5
BAR = f"growth < {MOST_PERCENT} % or < {MOST_KB} KB an X-ray"
OUT = Path("benchmarks/results/memory.csv")
COLUMNS = (
    *("stage", "x_rays_few", "x_rays_many", "mb_few", "mb_many"),
    *("growth_percent", "kb_per_x_ray", "bar"),
)

D, M = "phantom/CheXpert", "phantom/CheXlocalize"
RELEASE = (
    f"--layout chexpert --root phantom --train-csv {D}/train.csv --val-csv {D}/val_labels.csv"
    f" --test-csv {D}/test_labels.csv --val-masks {M}/gt_segmentations_val.json"
    f" --test-masks {M}/gt_segmentations_test.json"
    f" --radiologist-masks {M}/hb_segmentations_test.json"
)
TRUTH = f"{M}/gt_segmentations_test.json"
CLASSES = (
    "'Enlarged Cardiomediastinum' Cardiomegaly 'Lung Lesion' 'Airspace Opacity' Edema"
    " Consolidation Atelectasis Pneumothorax 'Pleural Effusion' 'Support Devices'"
)
STORES = "--index index.csv --images images.h5"
TINY = "--epochs 1 --initial-weights none"
COMMANDS = (
    "make-phantom --out phantom --train-images {train} --val-images {val} --test-images {test}"
    " --longest-side 96",
    f"check-data {RELEASE} --out data.txt",
    f"build-index {RELEASE} --out index.csv",
    "store-images --index index.csv --root phantom --out images.h5 --image-size 64",
    f"train-classifier {STORES} {TINY} --architecture densenet_small"
    " --out classifier.pt --metrics classifier.csv",
    "compute-saliency --method gradcam --images images.h5 --classifiers classifier.pt"
    f" --classes {CLASSES} --out saliency.h5",
    f"label-affinity {STORES} --saliency saliency.h5 --out labels.h5 --iterations 1",
    "train-irnet --images images.h5 --labels labels.h5 --out irnet.pt --metrics irnet.csv"
    " --epochs 1 --radius 3 --backbone none --backbone-architecture resnet18",
    "compute-affinity --images images.h5 --irnet irnet.pt --out affinity.h5",
    f"make-masks --source drawn {STORES} --masks {M}/gt_segmentations_val.json"
    f" --classes {CLASSES} --out drawn.h5",
    f"make-masks --source threshold {STORES} --saliency saliency.h5 --out threshold.h5",
    f"make-masks --source irnet {STORES} --saliency saliency.h5 --affinity affinity.h5"
    " --out irnet.h5",
    f"make-masks --source consensus {STORES} --saliency saliency.h5 saliency.h5"
    f" --thresholds {'otsu ' * 10} --certain-backgrounds {'none ' * 10} --out consensus.h5",
    "score-masks --index index.csv --truth drawn.h5 --masks threshold.h5 irnet.h5"
    " --names cam irnet --splits expert,validation expert,validation"
    " --metrics iou_dataset precision recall --out mask_quality.csv"
    " --maps saliency.h5 --map-names gradcam --maps-out map_quality.csv",
    f"train-segmenter {STORES} --truth drawn.h5"
    " --masks drawn.h5 irnet.h5 --sources expert irnet --mixing 0.9 0.1"
    f" {TINY} --samples-per-epoch 64 --decoder-channels 16"
    " --out segmenter.pt --metrics segmenter.csv",
    f"make-masks --source segmenter {STORES} --teachers segmenter.pt --soft True"
    " --out segmenter.h5",
    f"predict-masks {STORES} --checkpoint segmenter.pt --out predictions.json",
    f"compute-histograms {STORES} --truth {TRUTH} --checkpoint segmenter.pt --out histograms.h5",
    f"count-overlaps --index index.csv --truth {TRUTH} --prediction predictions.json"
    " --out overlaps.csv",
    "score-runs --overlaps overlaps.csv --names segmenter --out summary.csv"
    " --histograms histograms.h5 --histogram-names segmenter"
    " --metrics iou_dataset iou_image iou_oracle average_precision"
    " --replicates-out replicates.npz --false-positives false_positives.csv",
    "compare-runs --replicates replicates.npz --out comparisons.csv --power power.csv --contrasts itself"
    " --runs segmenter --against segmenter",
    f"draw-figure --figure gallery --out gallery.png {STORES}"
    f" --truth {TRUTH} --overlaps overlaps.csv --overlaps-names segmenter"
    " --predictions predictions.json --predictions-names segmenter"
    " --saliency saliency.h5 --saliency-names gradcam --masks irnet.h5 --masks-names irnet",
)


def peak_mb(command: str, folder: Path) -> float:
    """Runs a stage and returns the most memory that it had at once, in MB.

    Raises:
        RuntimeError: the stage failed; with what it wrote.
    """
    words = [sys.executable, "-m", "chexseg", *shlex.split(command)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"chexseg {command}\n{log.read().decode(errors='replace')}")
    return usage.ru_maxrss / 1000


def peaks(x_rays: int) -> dict[str, float]:
    """Runs all stages on a phantom of `x_rays` X-rays; returns the peak of each in MB."""
    counts = {"train": x_rays * 8 // 10, "val": x_rays // 10, "test": x_rays // 10}
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            stage = row_name(command)
            measured[stage] = peak_mb(command.format(**counts), Path(folder))
            print(f"{x_rays:>6} X-rays  {stage:<22} {measured[stage]:>7.0f} MB", flush=True)
    return measured


def growth(mb_few: float, mb_many: float, more: int) -> tuple[float, float]:
    """Returns how a peak grows with `more` X-rays: in percent, and in KB for each of them."""
    return 100 * (mb_many / mb_few - 1), 1000 * (mb_many - mb_few) / more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", nargs=2, type=int, default=COUNTS, help="X-rays, few and many")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    few, many = (peaks(count) for count in options.counts)
    held = True
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        print(f"\n{'stage':<22}{'MB few':>9}{'MB many':>9}{'growth':>9}{'KB each':>9}   bar: {BAR}")
        for stage in few:
            sizes = round(few[stage]), round(many[stage])
            percent, kb = growth(*sizes, options.counts[1] - options.counts[0])
            print(f"{stage:<22}{sizes[0]:>9}{sizes[1]:>9}{percent:>8.1f}%{kb:>9.1f}")
            writer.writerow((stage, *options.counts, *sizes, round(percent, 1), round(kb, 1), BAR))
            held = held and (percent < MOST_PERCENT or kb < MOST_KB)
    if not held:
        sys.exit("a bar was missed")


if __name__ == "__main__":
    main()
