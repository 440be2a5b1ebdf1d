"""Two processes (gloo, on the CPU) train what one trains."""

import csv
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROGRAM = Path(__file__).with_name("two_processes.py")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two_processes")]


class Results:
    """What the program's trainings left, and what it printed."""

    def __init__(self, folder, output=""):
        self.folder, self.output = folder, output

    def rows(self, name):
        with (self.folder / f"{name}.csv").open() as file:
            return [
                {k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")}
                for row in csv.DictReader(file)
            ]

    def result(self, name):
        return torch.load(self.folder / f"{name}.pt", weights_only=True)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    runpy.run_path(str(PROGRAM))["main"](folder, 1)
    return Results(folder)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, PROGRAM, folder, "2"]
    done = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return Results(folder, done.stdout)


@pytest.mark.parametrize("name", ["plain", "parts"])
def test_two_processes_have_the_losses_of_one_with_the_same_batch(one, two, name):
    rows, expected = two.rows(name), one.rows(name)
    assert len(rows) == len(expected) == 3
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        for key in row:
            assert float(row[key]) == pytest.approx(float(other[key]), rel=1e-4), key
    state, other = two.result(name)["state_dict"], one.result(name)["state_dict"]
    for key in other:
        torch.testing.assert_close(state[key], other[key], rtol=1e-3, atol=1e-4)
    assert expected[0]["loss"] != expected[2]["loss"]


@pytest.mark.parametrize(("name", "parts"), [("plain", 1), ("parts", 2)])
def test_each_process_reads_its_half_of_the_same_batches(one, two, name, parts):
    whole, half = one.result(name)["seen"], two.result(name)["seen"]
    length = 4 // parts
    assert [len(part) for part in whole] == [length] * 12 * parts
    assert half == [part[: length // 2] for part in whole]


def test_a_signal_to_one_stops_both_and_both_go_on(two):
    for process in (0, 1):
        assert f"process {process} stopped with 143" in two.output
        assert f"process {process} went on for 6 steps" in two.output
    assert two.output.count("SIGTERM: saved epoch 2, after step 2") == 1
    assert two.output.count("resumed at epoch 2, after step 2") == 1
    assert two.rows("cut") == two.rows("whole")
    state, whole = two.result("cut")["state_dict"], two.result("whole")["state_dict"]
    for key in whole:
        assert torch.equal(state[key], whole[key])  # to the bit, with the dropout of each
