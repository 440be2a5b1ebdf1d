"""The state of a training, kept in a file so that the training survives its process."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor

from chexseg.config.settings import TrainingSettings
from chexseg.errors import InputError
from chexseg.files.atomic import atomic, clear_leftovers
from chexseg.models.weights import read_tensors
from chexseg.provenance.code import code_of
from chexseg.provenance.digests import Digests
from chexseg.provenance.record import known_content
from chexseg.training.processes import of_all

FORMAT = "chexseg training state 1"


class Stateful(Protocol):
    """A model, an optimizer, a schedule: tensors and plain values go out and come back."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> object: ...


@dataclasses.dataclass
class Best:
    """The epoch that won.

    Attributes:
        epoch: its number, from 1; 0 before there is one.
        score: its validation score.
        state_dict: tensors of the model, on the CPU.
        extra: what else `validate` said of this model, such as thresholds.
    """

    epoch: int = 0
    score: float = -math.inf
    state_dict: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class TrainingState:
    """All that changes in a training.

    Attributes:
        trained: model, optimizer and the like, by name.
        noise: generator of the augmentation's noise, seeded anew for each epoch.
        epoch: the epoch under way, from 1.
        step: steps done in it.
        total: sum of its losses so far.
        seconds: that it has taken so far.
        rows: of the metrics, one for each epoch that is over.
        best: of the epochs that are over.
        random: torch's own generators (dropout draws from them) behind the last step, [processes,
            bytes]; set by `note_random`.
    """

    trained: Mapping[str, Stateful]
    noise: torch.Generator
    epoch: int = 1
    step: int = 0
    total: Tensor | float = 0.0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best: Best = dataclasses.field(default_factory=Best)
    random: Tensor | None = None

    def begin(self, epoch: int) -> None:
        """Sets everything to the beginning of an epoch."""
        self.epoch, self.step, self.total, self.seconds, self.random = epoch, 0, 0.0, 0.0, None

    def note_random(self, fabric: Fabric) -> None:
        """Takes down the random numbers of every process; all processes call it together."""
        states = [torch.get_rng_state()]
        if fabric.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(fabric.device))
        self.random = of_all(fabric, torch.cat(states)[None].to(fabric.device)).cpu()

    def restore_random(self, fabric: Fabric) -> None:
        """Goes on with the random numbers noted, if they are those of as many processes."""
        if self.random is None or len(self.random) != fabric.world_size:
            return
        own, length = self.random[fabric.global_rank], len(torch.get_rng_state())
        torch.set_rng_state(own[:length].clone())
        if fabric.device.type == "cuda" and len(own) > length:  # not if it was noted on a CPU
            torch.cuda.set_rng_state(own[length:].clone(), fabric.device)

    def content(self) -> dict[str, Any]:
        """Returns tensors and plain values alone."""
        plain = {"epoch", "step", "total", "seconds", "rows", "random"}
        return {
            "trained": {name: part.state_dict() for name, part in self.trained.items()},
            "noise": self.noise.get_state(),
            "best": vars(self.best),
            **{name: getattr(self, name) for name in plain},
        }

    def load(self, content: dict[str, Any]) -> None:
        """Takes over what `content` of another process returned."""
        content = dict(content)
        for name, state in content.pop("trained").items():
            self.trained[name].load_state_dict(state)
        self.noise.set_state(content.pop("noise"))
        self.best = Best(**content.pop("best"))
        for name, value in content.items():
            setattr(self, name, value)


class StateFile:
    """Where the state of a training is kept, for as long as it runs.

    A state belongs to its inputs (by content), settings and code; that of others is left alone,
    and written over. Reading it runs no code from the file.

    Args:
        path: the file; None: the training is not kept.
        every: seconds between two saves.
        stage: the stage's command.
        settings: of the training.
        inputs: every file that the training reads.
        others: further arguments of the stage that change what it computes, as JSON-able values.
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
        """Digest of all that the training is made of."""
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
        """Whether it is time to save."""
        return self.path is not None and time.monotonic() - self.saved >= self.every

    def read(self) -> dict[str, Any] | None:
        """Returns what `write` was given; None, and a line that says why, if it is of no use."""
        if self.path is None:
            return None
        key = self.key  # made now, because there is no time to read all inputs at a signal
        if not self.path.exists():
            return None
        try:
            state, reason = read_tensors(self.path), ""
            if not isinstance(state, dict) or state.get("format") != FORMAT:
                reason = "is no state of a training"
            elif state.get("key") != key:
                reason = "belongs to other inputs, settings or code"
        except InputError as error:
            reason = f"holds {error.problems[0].found}"
        if reason:
            print(f"{self.path} {reason}: the training starts from its beginning.", flush=True)
            return None
        return state["content"]

    def write(self, content: dict[str, Any]) -> None:
        """Saves; the file is the old one or the new one, never a part."""
        with atomic(self.path) as temporary:
            torch.save({"format": FORMAT, "key": self.key, "content": content}, temporary)
        self.saved = time.monotonic()

    def discard(self) -> None:
        """Deletes the file: the training is published, or whatever was in it of no use."""
        if self.path is not None:
            clear_leftovers(self.path)
            self.path.unlink(missing_ok=True)
