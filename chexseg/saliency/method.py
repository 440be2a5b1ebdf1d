"""The base class of saliency methods: their settings in the config, and their explainer.

A new method is one file with a subclass of `SaliencyMethod` and one line in `chexseg.catalog`. The
Snakefile imports these files in every job, so import torch where maps are computed, not at the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, StrictBool, model_validator

from chexseg.config.data import ClassName
from chexseg.config.flags import command_settings
from chexseg.config.paths import Paths
from chexseg.config.settings import Name, Reference, Settings, misfit

if TYPE_CHECKING:
    from torch import nn

    from chexseg.config.study import Study
    from chexseg.files.artifacts import Inputs
    from chexseg.saliency.explainer import Explainer


def _in_order_with_1(scales: tuple[float, ...]) -> tuple[float, ...]:
    if 1 not in scales or len(set(scales)) < len(scales):
        found = f"scales {', '.join(f'{scale:g}' for scale in scales)}"
        expected = "1, whose grid the maps have, and others, each once"
        raise misfit(found, expected, "Add 1, or delete what is there twice.")
    return tuple(sorted(scales))


class SaliencyMethod(Settings):
    """Settings of an entry of the section `saliency`: the mean map of the listed classifiers.

    A subclass restricts `method` to its own name and adds its settings. Every method can average
    its maps over flips and scales: `chexseg.saliency.averaged` does it. A method that reads files
    declares their roles, and says in `inputs` which they are.

    Attributes:
        roles: role -> what its files are. Each is a flag of `chexseg compute-saliency`.
        optional_roles: roles that may have no file.
    """

    method: str
    classifiers: tuple[Annotated[Name, Reference("classifiers")], ...] = Field(
        min_length=1, description="Names of classifiers."
    )
    classes: tuple[ClassName, ...] = Field(
        (), description="Findings to explain; none: the study's pathologies."
    )
    batch_size: int = Field(32, ge=1, description="X-rays in a forward pass.")
    flip: StrictBool = Field(False, description="Average with the maps of the mirrored X-rays.")
    scales: Annotated[
        tuple[Annotated[float, Field(gt=0, le=4)], ...], AfterValidator(_in_order_with_1)
    ] = Field(
        (1.0,),
        min_length=1,
        description="Factors of the X-ray's side over whose maps the mean is taken, 1 among them; "
        "sides are rounded to multiples of 32 pixels.",
    )

    roles: ClassVar[Mapping[str, str]] = {}
    optional_roles: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _explains_each_class_once(self) -> SaliencyMethod:
        if len(set(self.classes)) < len(self.classes):
            raise misfit("a class twice", "each class once", "Delete one of the two.")
        return self

    def classes_of(self, study: Study) -> tuple[str, ...]:
        """Returns the findings that are explained, in the order of the maps."""
        return self.classes or study.data.pathologies

    def inputs(self, paths: Paths) -> dict[str, list[str]]:
        """Returns the files that the method reads besides X-rays and classifiers, by role."""
        return {}

    def pixels_per_cell(self, stride: int) -> int:
        """Returns the side of a map's cell in pixels, for the cost model.

        Args:
            stride: pixels per cell of the classifier's last features.
        """
        return stride

    def forward_passes(self, classes: int) -> float:
        """Returns what the maps of an X-ray cost, in forward passes, for the cost model.

        Args:
            classes: number of maps.
        """
        return 1

    @classmethod
    def command_settings(cls) -> type[Settings]:
        """Returns the model of the settings that `explainer` takes."""
        return command_settings(cls, "method", "classes")

    def settings(self) -> Settings:
        """Returns the settings that `explainer` takes."""
        model = self.command_settings()
        return model(**{name: getattr(self, name) for name in model.model_fields})

    @staticmethod
    def explainer(settings: Any, classifier: nn.Module, inputs: Inputs) -> Explainer:
        """Returns the explainer that computes the maps of a classifier.

        Args:
            settings: an instance of `command_settings()`.
            classifier: in evaluation mode, on its device.
            inputs: the files of `inputs`, by role.
        """
        raise NotImplementedError
