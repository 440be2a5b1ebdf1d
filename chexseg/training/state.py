"""The state of a training, saved to a file so that the training can resume."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from chexseg.config.settings import TrainingSettings
from chexseg.errors import InputError
from chexseg.files.atomic import atomic, clear_leftovers
from chexseg.models.weights import read_tensors
from chexseg.provenance.code import code_of
from chexseg.provenance.digests import Digests
from chexseg.provenance.record import known_content
from chexseg.training.processes import gather_rows

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from chexseg.training.single_process import SingleProcess

FORMAT = "chexseg training state 2"


class Stateful(Protocol):
    """An object with a loadable state, such as a model, an optimizer or a schedule."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> object: ...


@dataclasses.dataclass
class Best:
    """Holds an epoch: the best so far, or one that is kept.

    Attributes:
        epoch: its number, from 1; 0 if there is none yet.
        score: its validation score.
        state_dict: tensors of the model, on the CPU.
        extra: further results of `validate` for this model, such as thresholds.
    """

    epoch: int = 0
    score: float = -math.inf
    state_dict: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class TrainingState:
    """Holds everything that changes during a training.

    Attributes:
        trained: model, optimizer and so on, by name.
        noise: generator of the augmentation noise, reseeded for each epoch.
        epoch: the current epoch, from 1.
        step: number of steps done in it.
        total: sum of its losses so far.
        seconds: its duration so far.
        rows: rows of the metrics, one per finished epoch.
        best: the best of the finished epochs.
        kept: those of the finished epochs that are kept, by number.
        random: states of torch's generators (used by dropout) after the last step, [processes,
            bytes]; set by `capture_random`.
    """

    trained: Mapping[str, Stateful]
    noise: torch.Generator
    epoch: int = 1
    step: int = 0
    total: Tensor | float = 0.0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best: Best = dataclasses.field(default_factory=Best)
    kept: dict[int, Best] = dataclasses.field(default_factory=dict)
    random: Tensor | None = None

    def begin(self, epoch: int) -> None:
        """Resets the counters for a new epoch."""
        self.epoch, self.step, self.total, self.seconds, self.random = epoch, 0, 0.0, 0.0, None

    def capture_random(self, fabric: Fabric | SingleProcess) -> None:
        """Stores the random state of every process; all processes must call it together."""
        states = [torch.get_rng_state()]
        if fabric.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(fabric.device))
        self.random = gather_rows(fabric, torch.cat(states)[None].to(fabric.device)).cpu()

    def restore_random(self, fabric: Fabric | SingleProcess) -> None:
        """Restores the stored random state, if the number of processes is the same."""
        if self.random is None or len(self.random) != fabric.world_size:
            return
        own, length = self.random[fabric.global_rank], len(torch.get_rng_state())
        torch.set_rng_state(own[:length].clone())
        if fabric.device.type == "cuda" and len(own) > length:  # not if it was captured on a CPU
            torch.cuda.set_rng_state(own[length:].clone(), fabric.device)

    def content(self) -> dict[str, Any]:
        """Returns the state as tensors and plain values only."""
        plain = {"epoch", "step", "total", "seconds", "rows", "random"}
        return {
            "trained": {name: part.state_dict() for name, part in self.trained.items()},
            "noise": self.noise.get_state(),
            "best": vars(self.best),
            "kept": [vars(each) for each in self.kept.values()],
            **{name: getattr(self, name) for name in plain},
        }

    def load(self, content: dict[str, Any]) -> None:
        """Loads a state that `content` returned."""
        content = dict(content)
        for name, state in content.pop("trained").items():
            self.trained[name].load_state_dict(state)
        self.noise.set_state(content.pop("noise"))
        self.best = Best(**content.pop("best"))
        self.kept = {each["epoch"]: Best(**each) for each in content.pop("kept")}
        for name, value in content.items():
            setattr(self, name, value)


class StateFile:
    """Reads and writes the file that holds the state of a training while it runs.

    A state is valid only for the same inputs (by content), settings and code; any other state is
    ignored and overwritten. Reading a state runs no code from the file.

    Args:
        path: the file; None saves no state.
        every: seconds between two saves.
        stage: command of the stage.
        settings: settings of the training.
        inputs: every file that the training reads.
        others: further arguments of the stage that affect the result, JSON-serializable.
    """

    def __init__(
        self,
        path: Path | None,
        every: float,
        stage: str,
        settings: TrainingSettings,
        inputs: Sequence[Path],
        **others: Any,
    ):
        self.path, self.every, self.saved = path, every, time.monotonic()
        self._made_of = (stage, settings, inputs, others)

    @cached_property
    def key(self) -> str:
        """Digest of everything that determines the training."""
        stage, settings, inputs, others = self._made_of
        digests = Digests()
        made_of = {
            "inputs": [digests.of(path, known_content(path)) for path in inputs],
            "settings": settings.model_dump(),
            "others": others,
            "code": code_of(stage, {**settings.model_dump(), **others}),
            "torch": torch.__version__,
        }
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    @property
    def due(self) -> bool:
        """Whether it is time to save the state."""
        return self.path is not None and time.monotonic() - self.saved >= self.every

    def read(self) -> dict[str, Any] | None:
        """Returns the saved state, or None if it cannot be used (it then prints why)."""
        if self.path is None:
            return None
        key = self.key  # computed now, since there is no time to read all inputs after a signal
        if not self.path.exists():
            return None
        try:
            state, reason = read_tensors(self.path), ""
            if not isinstance(state, dict) or state.get("format") != FORMAT:
                reason = "is not the state of a training"
            elif state.get("key") != key:
                reason = "belongs to other inputs, settings or code"
        except InputError as error:
            reason = f"holds {error.problems[0].found}"
        if reason:
            print(f"{self.path} {reason}: the training starts over.", flush=True)
            return None
        return state["content"]

    def write(self, content: dict[str, Any]) -> None:
        """Saves the state atomically."""
        with atomic(self.path) as temporary:
            torch.save({"format": FORMAT, "key": self.key, "content": content}, temporary)
        self.saved = time.monotonic()

    def discard(self) -> None:
        """Deletes the file, once the result is published or if its content is useless."""
        if self.path is not None:
            clear_leftovers(self.path)
            self.path.unlink(missing_ok=True)
