"""The stage train-classifier on a GPU: its rate from a store, and that it resumes after a kill.

python benchmarks/gpu_stage.py FOLDER NAME    trains in FOLDER, to NAME.pt, for `resume`
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from gpu_bench import Bench, relative_difference
from gpu_clock import Rate, synchronize
from torch.optim.optimizer import register_optimizer_step_post_hook

from chexseg.config.settings import ClassifierSettings
from chexseg.data.layouts.chexpert import FINDINGS
from chexseg.files.artifacts import Execution
from chexseg.files.store import write_store
from chexseg.stages import train_classifier

TINY_SIDE = 64
TINY_X_RAYS = 48


def write_inputs(folder: Path, images: torch.Tensor) -> None:
    """Writes an image store and an index; an eighth of the X-rays are for validation."""
    ids = [f"patient{number:05d}_study1_view1_frontal" for number in range(len(images))]
    with write_store(folder / "images.h5", "images", {"image_size": images.shape[-1]}) as store:
        for cxr_id, image in zip(ids, images, strict=True):
            store.append(cxr_id, image[0].numpy())
    numbers = range(len(ids))
    table = pd.DataFrame({"cxr_id": ids, "path": ids, "patient": ids, "study": ids})
    table["split"] = ["validation" if number % 8 == 7 else "train" for number in numbers]
    table["shard"], table["height"], table["width"], table["sha256"] = 0, 320, 320, ""
    for place, finding in enumerate(FINDINGS):
        table[finding] = [float((number + place) % 3 == 0) for number in numbers]
    table.to_csv(folder / "index.csv", index=False)


def train(folder: Path, name: str, settings: ClassifierSettings, **execution: object) -> None:
    """Runs the stage on the inputs of a folder."""
    train_classifier.run(
        index=folder / "index.csv", images=(folder / "images.h5",), out=folder / f"{name}.pt",
        metrics=folder / f"{name}.csv", settings=settings, execution=Execution(**execution),
    )  # fmt: skip


def from_the_store(bench: Bench) -> None:
    """Steps of the stage from a store: with loaders, augmentation and copies."""
    sizes, threads = bench.sizes, len(os.sched_getaffinity(0))
    once = {"architecture": sizes.architecture, "initial_weights": "none", "epochs": 1}
    for precision in ("32-true", "bf16-mixed"):
        times: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            write_inputs(Path(folder), bench.images(sizes.stored))
            chosen = ClassifierSettings(**once, batch_size=sizes.batch, precision=precision)

            def note(*_: object, times: list[float] = times) -> None:
                synchronize(bench.device)
                times.append(time.perf_counter())

            handle = register_optimizer_step_post_hook(note)
            try:
                train(Path(folder), "classifier", chosen, threads=min(threads, 8))
            finally:
                handle.remove()
                torch.use_deterministic_algorithms(False)  # the stage has set it
        each = median(b - a for a, b in zip(times, times[1:], strict=False))
        name = f"the stage itself, from a store, {precision}, batch {sizes.batch}"
        bench.add("train-classifier", name, Rate(sizes.batch / each))


def resume(bench: Bench) -> None:
    """Kills a training as soon as its state is saved, runs it again, and compares the tensors."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, bench.images(TINY_X_RAYS)[..., :TINY_SIDE, :TINY_SIDE])
        command = [sys.executable, __file__, name]
        killed = subprocess.Popen([*command, "killed"])
        until = time.monotonic() + 300
        while not (folder / "killed.state").exists() and killed.poll() is None:
            if time.monotonic() > until:
                killed.kill()
                raise TimeoutError("the training saved no state within 5 minutes")
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        if killed.wait() != -signal.SIGKILL:
            raise RuntimeError("the training ended before it was killed")
        again = subprocess.run([*command, "killed"], check=True, capture_output=True, text=True)
        if "resumed at" not in again.stdout:
            raise RuntimeError(f"the training did not resume: {again.stdout[-300:]}")
        subprocess.run([*command, "whole"], check=True, capture_output=True)
        tensors = [
            torch.load(folder / f"{each}.pt", weights_only=True, map_location="cpu")["state_dict"]
            for each in ("killed", "whole")
        ]
    difference = max(
        relative_difference(value, tensors[1][name]) for name, value in tensors[0].items()
    )
    bench.add("train-classifier", "resumed after a kill", difference=difference, tolerance=0.0)


if __name__ == "__main__":
    place, result = Path(sys.argv[1]), sys.argv[2]
    train(
        place, result,
        ClassifierSettings(architecture="densenet_small", initial_weights="none", epochs=3, batch_size=4),
        state=place / f"{result}.state", save_every=0,
    )  # fmt: skip
