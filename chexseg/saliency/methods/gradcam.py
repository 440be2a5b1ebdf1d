"""Grad-CAM at a stage of the classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from chexseg.saliency.methods.layer_method import LayerMethod, module_of

if TYPE_CHECKING:
    from chexseg.files.artifacts import Inputs
    from chexseg.models.classifier import Classifier
    from chexseg.saliency.explainer import Explainer


class GradCAM(LayerMethod):
    """Grad-CAM (Selvaraju et al., ICCV 2017); negative evidence is dropped, as published."""

    method: Literal["gradcam"] = Field(description="How maps are computed.")

    @staticmethod
    def explainer(settings: Any, classifier: Classifier, inputs: Inputs) -> Explainer:
        from chexseg.saliency import gradcam

        return gradcam.GradCAM(classifier, layer=module_of(classifier, settings.layer))
