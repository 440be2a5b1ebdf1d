"""What a fixed instruction set costs, and whether it changes the bits of a training.

Libraries choose their CPU kernels by what the processor can do, and kernels of another width round
in another order. Each level is a fresh process with the variables of LEVELS that trains the demo's
segmenter and classifier for some steps on random images. Prints a table and writes
benchmarks/results/instruction_sets.csv; equal digests are equal bits. Run it on two machines to see
what a level gives across them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

OUT = Path(__file__).parent / "results/instruction_sets.csv"
COLUMNS = ("network", "level", "cpu", "torch_capability", "threads", "cpu_seconds_a_step", "digest")
LEVELS = {
    "default": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"},
    "compatible": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
    },
}
NETWORKS = ("segmenter", "classifier")
WARM_UP = 2
"""Steps that are not timed: libraries build their kernels in the first."""


def train(network: str, steps: int, threads: int) -> dict[str, str]:
    """Trains with this process's instruction set; returns time and bits."""
    import torch

    from chexseg.losses.dice import dice_loss
    from chexseg.models.classifier import build_classifier
    from chexseg.models.segmenter import build_segmenter
    from chexseg.provenance.machine import machine

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    images = torch.rand(8, 1, 64, 64)
    if network == "segmenter":
        model = build_segmenter("deeplabv3plus", "resnet18", 10, decoder_channels=64)
        truth, loss = (torch.rand(8, 10, 64, 64) > 0.8).float(), dice_loss
    else:
        model = build_classifier("densenet_small", 14)
        truth = (torch.rand(8, 14) > 0.8).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    began = 0.0
    for step in range(WARM_UP + steps):
        if step == WARM_UP:
            began = time.process_time()
        optimizer.zero_grad()
        loss(model(images), truth).backward()
        optimizer.step()
    seconds = (time.process_time() - began) / steps
    content = hashlib.sha256()
    for tensor in model.state_dict().values():
        content.update(tensor.contiguous().numpy().tobytes())
    here = machine()
    return {
        "cpu": here["cpu"],
        "torch_capability": here["kernels"]["cpu_capability"],
        "threads": str(threads),
        "cpu_seconds_a_step": f"{seconds:.3f}",
        "digest": content.hexdigest()[:16],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2, help="the fastest counts")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        print(json.dumps(train(options.train, options.steps, options.threads)))
        return
    words = [f"--steps={options.steps}", f"--threads={options.threads}"]
    rows = []
    for network in NETWORKS:
        for level, variables in LEVELS.items():
            command = [sys.executable, __file__, f"--train={network}", *words]
            environment = {**os.environ, **variables, "OMP_NUM_THREADS": str(options.threads)}
            tries = [
                json.loads(
                    subprocess.run(command, env=environment, check=True, capture_output=True).stdout
                )
                for _ in range(options.repeats)
            ]
            digests = {each["digest"] for each in tries}
            best = min(tries, key=lambda each: float(each["cpu_seconds_a_step"]))
            rows.append(
                {"network": network, "level": level, **best, "digest": " ".join(sorted(digests))}
            )
            print("  ".join(rows[-1].values()), flush=True)
    with open(options.out, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
