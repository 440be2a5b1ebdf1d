"""Works of networks on a GPU: a step of each training, and each inference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from gpu_bench import AS_STAGE, BF16, COMPILED, USUAL, Bench, Setting, exact, relative_difference
from gpu_clock import Rate, release
from torch import Tensor, nn

from chexseg.config.networks import classifier_gflop, irnet_gflop, segmenter_gflop
from chexseg.config.settings import SegmenterSettings
from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES
from chexseg.inference.batching import to_float
from chexseg.losses.classification import classification_loss
from chexseg.losses.dice import dice_loss
from chexseg.losses.irnet import irnet_losses
from chexseg.models.classifier import build_classifier
from chexseg.models.irnet import flip_averaged_edge, for_inference
from chexseg.models.trained import irnet_of, segmenter_of
from chexseg.saliency.gradcam import GradCAM
from chexseg.scheduling.figures import IRNET_TRAIN, TRAIN

RADIUS = 10
OUTPUTS = [FINDINGS.index(name) for name in PATHOLOGIES]
TRAINING_TOLERANCE = 1e-3
INFERENCE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Training:
    """A training whose steps are measured.

    Attributes:
        stage: the stage that trains so.
        build: makes the network.
        loss: (network, X-rays, number of X-rays) -> the loss.
        gflop: operations of a step for an X-ray, in billions.
        batch: X-rays in a step.
    """

    stage: str
    build: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Tensor], Tensor]
    gflop: float
    batch: int

    def step(self, bench: Bench, setting: Setting, batch: int) -> Callable[[], None]:
        """Returns a step: move X-rays, compute the loss and its gradients, update."""
        torch.manual_seed(0)
        network = self.build().to(bench.device).train()
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=1e-4)
        network = setting.prepare(network)
        images = bench.images(batch)

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            with setting.context(bench.device):
                loss = self.loss(network, bench.moved(images))
            loss.backward()
            optimizer.step()

        return step

    def difference(self, bench: Bench) -> float:
        """Returns by how much the loss of a batch differs from the CPU's, relative to it."""
        losses = []
        for device in (bench.device, torch.device("cpu")):
            torch.manual_seed(0)
            network = self.build().to(device).train()
            for module in network.modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.0  # devices draw differently
            with exact():
                images = bench.images(4).to(device)
                losses.append(self.loss(network, to_float(images))[None])
        return relative_difference(*losses)

    def measure(self, bench: Bench) -> None:
        """Adds rows: the usual way, what the stage does, bf16, and larger batches."""
        usual = bench.rate(self.step(bench, USUAL, self.batch), self.batch)
        self._add(bench, USUAL, self.batch, usual, None)
        compared = {"difference": self.difference(bench), "tolerance": TRAINING_TOLERANCE}
        for setting in (AS_STAGE, BF16):
            # The stage computes the same bits each time, which takes other kernels.
            torch.use_deterministic_algorithms(setting is AS_STAGE, warn_only=True)
            rate = bench.rate(self.step(bench, setting, self.batch), self.batch)
            self._add(bench, setting, self.batch, rate, usual, **compared)
            compared = {}
            release(bench.device)

    def measure_batches(self, bench: Bench) -> None:
        """Adds rows for larger batches, until one is slower or does not fit."""
        best = 0.0
        for batch in bench.sizes.batches:
            try:
                rate = bench.rate(self.step(bench, BF16, batch), batch)
            except torch.OutOfMemoryError:
                return
            self._add(bench, BF16, batch, rate, None)
            release(bench.device)
            if rate.x_rays_per_second < 1.02 * best:
                return
            best = rate.x_rays_per_second

    def measure_compiled(self, bench: Bench) -> None:
        """Adds a row for the compiled network."""
        rate = bench.rate(self.step(bench, COMPILED, self.batch), self.batch)
        self._add(bench, COMPILED, self.batch, rate, None)

    def _add(
        self, bench: Bench, setting: Setting, batch: int, rate: Rate, usual: Rate | None, **others
    ) -> None:
        name = setting.name if setting is AS_STAGE else f"{setting.name}, batch {batch}"
        peer = {"peer": f"{USUAL.name}, batch {batch}", "peer_rate": usual} if usual else {}
        bench.add(self.stage, name, rate, gflop=self.gflop, **peer, **others)


def _labels(images: Tensor, names: tuple[str, ...]) -> Tensor:
    """Returns labels [B, C] of 0 and 1 that depend on nothing but the shape."""
    numbers = torch.arange(len(images) * len(names), device=images.device)
    return (numbers % 3 == 0).float().reshape(len(images), len(names))


def _classification(network: nn.Module, images: Tensor) -> Tensor:
    logits = network(images).float()
    return classification_loss(logits, _labels(images, FINDINGS), uncertain="zeros", blank="zeros")


def _affinity(network: nn.Module, images: Tensor) -> Tensor:
    edge, displacement = network(images)
    cells = images[..., 2::4, 2::4].expand(-1, len(PATHOLOGIES), -1, -1)
    labels = torch.full(cells.shape, 255, dtype=torch.uint8, device=images.device)
    labels[:, :3][cells[:, :3] > 0.5] = 1
    labels[:, :3][cells[:, :3] < 0.3] = 0
    return irnet_losses(edge.float().sigmoid(), displacement.float(), labels, RADIUS).total


def _segmentation(network: nn.Module, images: Tensor) -> Tensor:
    truth = (images > 0.5).expand(-1, len(PATHOLOGIES), -1, -1)
    return dice_loss(network(images).float(), truth)


def trainings(bench: Bench) -> list[Training]:
    """Returns the three trainings, with the networks of config/chexpert.yaml."""
    sizes, chosen = bench.sizes, SegmenterSettings()
    area = (sizes.size / 320) ** 2
    return [
        Training(
            "train-classifier",
            lambda: build_classifier(sizes.architecture, len(FINDINGS)),
            _classification,
            area * TRAIN * classifier_gflop(sizes.architecture, 32),
            sizes.batch,
        ),
        Training(
            "train-segmenter",
            lambda: segmenter_of(chosen, len(PATHOLOGIES)),
            _segmentation,
            area * TRAIN * segmenter_gflop(chosen.encoder, chosen.architecture),
            sizes.batch // 2,
        ),
        Training(
            "train-irnet",
            lambda: irnet_of(sizes.backbone),
            _affinity,
            area * IRNET_TRAIN * irnet_gflop(sizes.backbone),
            sizes.batch,
        ),
    ]


def gradcam(bench: Bench) -> None:
    """Grad-CAM of ten pathologies; the usual way takes a backward pass for each of them."""
    sizes, batch = bench.sizes, bench.sizes.inference
    torch.manual_seed(0)
    classifier = build_classifier(sizes.architecture, len(FINDINGS)).eval().requires_grad_(False)
    on_cpu = GradCAM(classifier).maps(to_float(bench.images(2)), OUTPUTS)
    classifier = classifier.to(bench.device)
    gflop = (sizes.size / 320) ** 2 * classifier_gflop(sizes.architecture, 32)
    with exact():
        found = GradCAM(classifier).maps(bench.moved(bench.images(2)), OUTPUTS)
    compared = {
        "difference": relative_difference(found, on_cpu),
        "tolerance": INFERENCE_TOLERANCE,
    }
    images, few = bench.images(batch), bench.images(max(2, batch // 4))
    layer = GradCAM(classifier, layer=classifier.stage(4))

    def usual() -> None:
        """A forward and a backward pass for each pathology, as the usual tools do."""
        for output in OUTPUTS:
            layer.maps(bench.moved(few), [output]).cpu()

    peer = {
        "peer": "a forward and a backward pass per class",
        "peer_rate": bench.rate(usual, len(few)),
    }
    for setting in (Setting(AS_STAGE.name), Setting("channels_last", True), BF16):
        explainer = GradCAM(setting.prepare(classifier))

        def call(explainer: GradCAM = explainer, setting: Setting = setting) -> None:
            with setting.context(bench.device):
                explainer.maps(bench.moved(images), OUTPUTS).cpu()

        bench.add(
            "compute-saliency",
            setting.name,
            bench.rate(call, batch),
            gflop=gflop,
            **peer,
            **compared,
        )
        compared = {}


@torch.no_grad()
def affinity(bench: Bench) -> None:
    """Edge maps of an IRNet; the usual way computes displacements, too, and normalises apart."""
    sizes, batch = bench.sizes, bench.sizes.inference
    torch.manual_seed(0)
    model = irnet_of(sizes.backbone).eval().requires_grad_(False)
    expected = flip_averaged_edge(model, to_float(bench.images(2)))
    model = model.to(bench.device)
    faster = for_inference(model)
    with exact():
        found = flip_averaged_edge(faster, bench.moved(bench.images(2)))
    images, gflop = bench.images(batch), 2 * (sizes.size / 320) ** 2 * irnet_gflop(sizes.backbone)

    def usual() -> None:
        image = bench.moved(images)
        for each in (image, image.flip(-1)):
            model(each)[0].cpu()

    peer = {"peer": "eager, fp32, with displacements", "peer_rate": bench.rate(usual, batch)}
    compared = {
        "difference": float((found.cpu() - expected).abs().max()),
        "tolerance": INFERENCE_TOLERANCE,
    }
    for setting in (Setting(AS_STAGE.name), Setting("bf16, channels_last", bf16=True)):

        def call(setting: Setting = setting) -> None:
            with setting.context(bench.device):
                flip_averaged_edge(faster, bench.moved(images)).cpu()

        bench.add(
            "compute-affinity",
            setting.name,
            bench.rate(call, batch),
            gflop=gflop,
            **peer,
            **compared,
        )
        compared = {}
