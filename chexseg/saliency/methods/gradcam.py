"""Grad-CAM at the classifier's last features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from chexseg.config.settings import Settings
from chexseg.saliency.method import SaliencyMethod

if TYPE_CHECKING:
    from torch import nn

    from chexseg.saliency.explainer import Explainer


class GradCAM(SaliencyMethod):
    """Grad-CAM (Selvaraju et al., ICCV 2017); negative evidence is dropped, as published."""

    method: Literal["gradcam"] = Field(description="How maps are computed.")

    @staticmethod
    def explainer(settings: Settings, classifier: nn.Module) -> Explainer:
        from chexseg.saliency import gradcam

        return gradcam.GradCAM(classifier)
