"""What a segmenter starts from: the weights of another segmenter, or of an encoder."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from chexseg.config.settings import WORDS, SegmenterSettings
from chexseg.config.starts import FORM
from chexseg.models.adapters import merged
from chexseg.models.matching import LoadReport, load_matching, refused
from chexseg.models.segmenter import Segmenter
from chexseg.models.weights import Checkpoint, initialise, kind_of, load_checkpoint


def start_segmenter(
    segmenter: Segmenter, settings: SegmenterSettings, initial_weights: str
) -> LoadReport | None:
    """Gives a segmenter its first weights.

    From the checkpoint of a segmenter it takes encoder and decoder, or the encoder alone
    (`settings.parts`), whatever its classes; adapters are merged into the weights. From anything
    else it takes the encoder. The head keeps its random weights.

    Args:
        segmenter: the segmenter, changed in place.
        settings: its settings.
        initial_weights: `none`, `imagenet`, or the path of a state dict or of a checkpoint.

    Returns:
        What was loaded; None for `none`.

    Raises:
        InputError: the weights cannot be had or read, or belong to another network.
    """
    if initial_weights in WORDS or kind_of(initial_weights) != "segmenter":
        return initialise(segmenter.encoder, initial_weights, architecture=settings.encoder)
    checkpoint = load_checkpoint(initial_weights, kind="segmenter")
    tensors = merged(checkpoint.state_dict)
    if settings.parts == "encoder":
        own = _below("network.encoder.", tensors)
        return load_matching(segmenter.encoder, own, source=initial_weights)
    _check_form(checkpoint, settings, initial_weights)
    loaded = 0
    for part in ("encoder", "decoder"):
        own = _below(f"network.{part}.", tensors)
        _load(getattr(segmenter.network, part), own, initial_weights)
        loaded += len(own)
    return LoadReport(initial_weights, "network.", loaded, ())


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): each for k, each in tensors.items() if k.startswith(prefix)}


def _check_form(checkpoint: Checkpoint, settings: SegmenterSettings, path: str) -> None:
    found = {name: checkpoint.settings.get(name) for name in FORM}
    wanted = {name: getattr(settings, name) for name in FORM}
    if other := [name for name in FORM if found[name] != wanted[name]]:
        text, expected = (
            ", ".join(f"{name} {form[name]}" for name in other) for form in (found, wanted)
        )
        remedy = "Make the settings equal, or take the encoder alone with `parts: encoder`."
        raise refused(path, f"a segmenter of {text}", expected, remedy)


def _load(module: nn.Module, tensors: Mapping[str, Tensor], path: str) -> None:
    try:
        # Not module.load_state_dict: smp's encoders override it.
        nn.Module.load_state_dict(module, tensors)
    except RuntimeError as error:
        found = (
            f"settings and tensors that do not fit ({str(error).splitlines()[-1].strip()[:120]})"
        )
        raise refused(path, found, "a whole model", "Train it again.") from error
