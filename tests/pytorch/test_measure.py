"""What running a network takes."""

from __future__ import annotations

import sys

import pytest
import torch

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.pytorch import measure as module
from archcalc.pytorch.measure import machine, measure


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.02)


LAYERS = {
    "one": {"op": "Linear", "out_features": 2000},
    "relu": "ReLU",
    "two": {"op": "Linear", "out_features": 1000},
}
WIDE = archcalc.load({"name": "wide", "input": [1000], "layers": LAYERS})


def test_time_and_rates_on_the_cpu() -> None:
    found = measure("lenet5", device="cpu", batch=2)

    assert found.machine.device == "cpu"
    assert (found.dtype, found.batch) == ("float32", 2)
    # LeNet-5 has 416,520 multiply-accumulates.
    assert found.macs == 2 * 416_520
    assert found.runs >= module.RUNS
    assert 0 < found.seconds < 10
    assert found.spread >= 0
    assert found.throughput == pytest.approx(2 / found.seconds)
    assert found.achieved == pytest.approx(4 * 416_520 / found.seconds)


def test_memory_is_what_the_allocator_gives_out() -> None:
    found = measure(WIDE, device="cpu", batch=64)

    # Two matrices of 1000 x 2000 with their biases, 64 inputs of 1000, and at the peak two outputs
    # of 2000, before and behind the activation; four bytes each.
    weights = 2 * 1000 * 2000 + 2000 + 1000
    least = 4 * (weights + 64 * 1000 + 2 * 64 * 2000)
    assert found.peak is not None
    assert least <= found.peak <= 1.2 * least
    # By then the input is used no more.
    assert found.predicted == 4 * (weights + 2 * 64 * 2000)


def test_a_dtype_takes_the_memory_that_it_takes() -> None:
    full, half = (measure(WIDE, device="cpu", dtype=d) for d in ("float32", "bfloat16"))

    assert full.peak is not None
    assert half.peak is not None
    assert half.peak < 0.7 * full.peak
    assert 2 * half.predicted == full.predicted


def test_input_and_variables_are_those_of_the_network() -> None:
    found = measure("resnet18", device="cpu", input=[3, 32, 32], classes=10)

    # Convolutions have a 49th of their places at 32x32 instead of 224x224, and the classifier has
    # 10 classes and not 1000: (1,814,073,344 - 512,000) / 49 + 5,120.
    assert found.macs == (1_814_073_344 - 512_000) // 49 + 5_120


def test_standard_error_is_there_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    measure("lenet5", device="cpu")
    print("still there", file=sys.stderr)

    assert capfd.readouterr().err == "still there\n"


def test_random_numbers_are_left_as_they_were() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    measure("lenet5", device="cpu")

    assert torch.equal(torch.rand(1), expected)


def test_the_machine_is_named() -> None:
    here = machine("cpu")

    assert here.name
    assert here.threads == torch.get_num_threads()
    assert here.torch == torch.__version__
    assert here.cuda == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "meta"}, "no device 'meta'"),
        ({"device": "gpu"}, "no device 'gpu'"),
        ({"dtype": "float23"}, "did you mean 'float32'?"),
    ],
)
def test_what_can_t_be_measured_is_told(options: dict[str, str], message: str) -> None:
    with pytest.raises(ArchcalcError) as told:
        measure("lenet5", **options)  # type: ignore[arg-type]
    assert message in str(told.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_cuda_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="finds no CUDA device here"):
        measure("lenet5", device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here")
@pytest.mark.parametrize("dtype", ["float32", "tf32", "bfloat16"])
def test_time_and_memory_on_a_gpu(dtype: str) -> None:
    found = measure("resnet18", device="cuda", dtype=dtype, batch=8)

    assert found.machine.cuda
    assert found.seconds > 0
    assert found.peak is not None
    # What PyTorch works in is not predicted.
    assert 0.9 * found.predicted < found.peak < 4 * found.predicted
