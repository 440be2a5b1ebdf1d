"""The base class of saliency methods: their settings in the config, and their explainer.

A new method is one file with a subclass of `SaliencyMethod` and one line in `chexseg.catalog`. The
Snakefile imports these files in every job, so import torch where maps are computed, not at the top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from chexseg.config.flags import command_settings
from chexseg.config.settings import Name, Reference, Settings

if TYPE_CHECKING:
    from torch import nn

    from chexseg.saliency.explainer import Explainer


class SaliencyMethod(Settings):
    """Settings of an entry of the section `saliency`: the mean map of the listed classifiers.

    A subclass restricts `method` to its own name and adds its settings.
    """

    method: str
    classifiers: tuple[Annotated[Name, Reference("classifiers")], ...] = Field(
        min_length=1, description="Names of classifiers."
    )
    batch_size: int = Field(32, ge=1, description="X-rays in a forward pass.")

    @classmethod
    def command_settings(cls) -> type[Settings]:
        """Returns the model of the settings that `explainer` takes."""
        return command_settings(cls, "method")

    def settings(self) -> Settings:
        """Returns the settings that `explainer` takes."""
        model = self.command_settings()
        return model(**{name: getattr(self, name) for name in model.model_fields})

    @staticmethod
    def explainer(settings: Any, classifier: nn.Module) -> Explainer:
        """Returns the explainer that computes the maps of a classifier.

        Args:
            settings: an instance of `command_settings()`.
            classifier: in evaluation mode, on its device.
        """
        raise NotImplementedError
