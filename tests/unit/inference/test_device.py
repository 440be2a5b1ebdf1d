import pytest
import torch

from chexseg.config.settings import TrainingSettings
from chexseg.errors import InputError
from chexseg.inference.batching import device_for_inference
from chexseg.inference.device import REQUIRE_GPU, accelerator
from chexseg.training.loop import start


@pytest.fixture
def gpus(monkeypatch):
    """Sets whether torch sees a GPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    return lambda there: monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


def test_the_gpu_if_there_is_one(gpus):
    gpus(True)
    assert accelerator() == "cuda"
    assert device_for_inference(1) == torch.device("cuda")
    gpus(False)
    assert accelerator() == "cpu"


def test_fewer_gpus_than_processes(gpus):
    gpus(True)
    with pytest.raises(InputError, match="--devices: found 2, expected at most the 1 GPUs here"):
        accelerator(2)


def test_a_gpu_job_without_a_gpu_stops(gpus, monkeypatch):
    gpus(False)
    monkeypatch.setenv(REQUIRE_GPU, "1")
    for computation in (
        accelerator,
        lambda: device_for_inference(1),
        lambda: start(TrainingSettings()),
    ):
        with pytest.raises(InputError, match="no GPU that torch can use"):
            computation()
    gpus(True)
    assert accelerator() == "cuda"


@pytest.mark.parametrize("value", ["", "0"])
def test_where_no_gpu_is_required_the_cpu_will_do(gpus, monkeypatch, value):
    gpus(False)
    monkeypatch.setenv(REQUIRE_GPU, value)
    assert accelerator() == "cpu"
