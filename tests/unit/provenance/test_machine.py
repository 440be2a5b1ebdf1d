"""What a record says of the machine, and at which price."""

import subprocess
import sys

import torch

from chexseg.provenance.machine import kind_of, machine, processor_of


def test_a_stage_without_torch_does_not_load_it():
    program = (
        "import sys; from chexseg.provenance.machine import machine; kernels = machine()['kernels']\n"
        "assert 'torch' not in sys.modules and 'cpu_capability' not in kernels, kernels"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_kernels_of_torch(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    kernels = machine()["kernels"]
    assert kernels["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert kernels["threads"] == str(torch.get_num_threads())
    assert kernels["mkldnn"] == "True"
    assert "cudnn" not in kernels


def test_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A100")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91000)
    found = machine()
    assert found["gpu"] == "NVIDIA A100"
    assert found["kernels"]["cudnn_benchmark"] == "False"
    assert kind_of(found)["gpu"] == "NVIDIA A100"


def test_levels_set_by_the_environment(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("MKL_CBWR", "")
    found = machine()
    assert found["kernels"]["onednn_max_cpu_isa"] == "AVX2"
    assert "mkl_cbwr" not in found["kernels"]
    assert processor_of(found)["onednn_max_cpu_isa"] == "AVX2"
    assert "threads" in kind_of(found)
    assert "threads" not in processor_of(found)


def test_the_processor(monkeypatch):
    from pathlib import Path

    text = (
        "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\n"
    )
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert machine()["cpu"] == "AMD EPYC (family 25, model 1)"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "Processor: ARMv8\n\n")
    assert machine()["cpu"]
