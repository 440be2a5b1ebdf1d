"""What the command line says of a config: `--config key=value`, where a value is YAML, as in a file.

Snakemake reads nested values as text: `data={radiologist_masks: null}` gives the text "null". So the
words are read again here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from chexseg.config.yaml_marks import value_of_yaml
from chexseg.errors import Problems

WHERE = "--config"
_WORD = re.compile(r"([A-Za-z_][\w-]*\w)=(.*)", re.DOTALL)
"""A key that Snakemake takes, and its value."""


def overrides_of(words: Iterable[str]) -> dict[str, Any]:
    """Returns what words such as `seed=3` set: key -> value.

    Args:
        words: `key=value`, as after `--config`; the value is YAML, and an empty one is null.

    Raises:
        InputError: a word is not of this form, or its value is not valid YAML.
    """
    problems, overrides = Problems("config"), {}
    for word in words:
        match = _WORD.fullmatch(word)
        if match is None:
            expected = "KEY=VALUE, with a key of the config such as seed=1"
            remedy = (
                "Correct it; write nested keys as YAML: --config 'data={images: {image_size: 64}}'."
            )
            problems.add(WHERE, repr(word), expected, remedy)
            continue
        value = value_of_yaml(f"{WHERE} {match[1]}", match[2], problems)
        merge(overrides, {match[1]: value})
    problems.raise_if_any()
    return overrides


def as_typed(config: Any, settings: Any) -> tuple[Any, dict[str, Any]]:
    """Returns Snakemake's config with the values after `--config` as YAML has them, and those values.

    Args:
        config: the config that Snakemake read.
        settings: its `workflow.config_settings`.
    """
    overrides = overrides_of(settings.config_args or ())
    return overridden(config, settings.config, overrides), overrides


def overridden(config: Any, read: Any, overrides: Any) -> Any:
    """Returns a config with the values of overrides as YAML has them, not as Snakemake read them.

    Args:
        config: the config, with what Snakemake read.
        read: what Snakemake read from the command line. Where the config has something else, an
            importing workflow has changed it, and it stays.
        overrides: the same, from `overrides_of`.
    """
    if config == read:
        return overrides
    if not all(isinstance(each, Mapping) for each in (config, read, overrides)):
        return config
    return {
        key: overridden(value, read[key], overrides[key])
        if key in read and key in overrides
        else value
        for key, value in config.items()
    }


def merge(target: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Overrides a config key by key, as Snakemake does."""
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value
