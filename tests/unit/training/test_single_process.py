"""Trainings give the same bits with Lightning's Fabric and without it."""

import torch
from lightning.fabric import Fabric
from torch import nn

from chexseg.config.settings import ClassifierSettings
from chexseg.training import loop
from chexseg.training.loop import fit
from chexseg.training.sampling import shuffled
from chexseg.training.single_process import SingleProcess
from chexseg.training.state import StateFile
from chexseg.training.task import Task


class Samples(torch.utils.data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, number):
        generator = torch.Generator().manual_seed(number)
        return {
            "image": torch.rand(1, 6, 6, generator=generator),
            "label": torch.tensor([number % 2.0]),
        }


class Toy(Task):
    """A network with everything that has a state: batch normalisation, and dropout."""

    def __init__(self):
        layers = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()
        super().__init__(nn.Sequential(*layers, nn.Linear(48, 1)))

    def step(self, batch, noise):
        return {"logits": self.model(batch["image"] + noise.mean()), "label": batch["label"]}

    def loss(self, logits, label):
        return nn.functional.binary_cross_entropy_with_logits(logits, label)

    def validate(self):
        return {"score": float(self.model(torch.ones(1, 1, 6, 6)).sum())}, {}


def trained(tmp_path, fabric_of_lightning):
    settings = ClassifierSettings(epochs=2, batch_size=4, gradient_accumulation=2, seed=3)
    fabric = loop.start(settings)
    assert isinstance(fabric, SingleProcess)
    if fabric_of_lightning:
        fabric = Fabric(accelerator="cpu", devices=1)
        fabric.launch()
        fabric.seed_everything(settings.seed, workers=True, verbose=False)
    file = StateFile(None, 600, "toy", settings, ())
    task = Toy()
    best, _ = fit(
        fabric, task, Samples(), shuffled(10), settings, metrics=tmp_path / "m.csv", file=file,
        keep=(1, 2),
    )  # fmt: skip
    return best, (tmp_path / "m.csv").read_text().splitlines(), torch.get_rng_state()


def test_the_bits_are_those_of_lightning(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "accelerator", lambda devices: "cpu")  # on a GPU, Lightning trains
    (ours, rows, random), (theirs, expected, theirs_random) = (
        trained(tmp_path, fabric_of_lightning=lightning) for lightning in (False, True)
    )
    assert ours.epoch == theirs.epoch
    assert ours.score == theirs.score
    assert list(ours.state_dict) == list(theirs.state_dict)
    for name, value in ours.state_dict.items():
        assert torch.equal(value, theirs.state_dict[name]), name
    assert torch.equal(random, theirs_random)
    assert len(rows) == 3
    columns = rows[0].split(",").index("peak_memory_mb")  # it and what follows differ each time
    for row, other in zip(rows, expected, strict=True):
        assert row.split(",")[:columns] == other.split(",")[:columns]


def test_it_accepts_the_state_of_another_number_format():
    SingleProcess().strategy.precision.load_state_dict({"scale": 2.0})
    assert SingleProcess().strategy.precision.state_dict() == {}


def test_values_keep_their_form():
    batch = {"image": torch.ones(2), "name": "x"}
    moved = SingleProcess().to_device(batch)
    assert torch.equal(moved["image"], batch["image"])
    assert moved["name"] == "x"
