"""Which settings a method takes: a function of the catalog names them as keyword-only parameters.

`cross_entropy_loss(logits, truth, known=None, *, background_weight=1.0)` takes `background_weight`,
a field of the settings of the training. The workflow loads these functions in every job, so their
modules import nothing heavy at the top.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from chexseg import catalog
from chexseg.config.base import Settings


@cache
def settings_of(kind: str, name: str) -> tuple[str, ...]:
    """Returns the names of the settings that a method takes."""
    parameters = inspect.signature(catalog.load(kind, name)).parameters.values()
    return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)


@cache
def inputs_of(kind: str, name: str) -> tuple[str, ...]:
    """Returns the names of what a method computes with: its parameters that are no settings.

    `dice` takes logits, truth and known; `boxes` takes logits, boxes and agreement.
    """
    parameters = inspect.signature(catalog.load(kind, name)).parameters.values()
    return tuple(each.name for each in parameters if each.kind is not each.KEYWORD_ONLY)


@cache
def not_taken(kind: str, name: str) -> frozenset[str]:
    """Returns the settings that other methods of the kind take and this one does not."""
    every = {each for other in catalog.names(kind) for each in settings_of(kind, other)}
    return frozenset(every.difference(settings_of(kind, name)))


def configured(kind: str, name: str, settings: Settings) -> Callable[..., Any]:
    """Returns a method with the settings that it takes."""
    own = {each: getattr(settings, each) for each in settings_of(kind, name)}
    return partial(catalog.load(kind, name), **own)
