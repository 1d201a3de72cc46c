"""Times and rates as they are printed."""

from __future__ import annotations

import pytest

from archcalc.analysis.measured import Machine, Measurement
from archcalc.report.runs.measured import as_data, peak
from archcalc.report.units import print_rate, print_time

CPU = Machine("cpu", "Some CPU", 4, "2.13.0")
GPU = Machine("cuda", "NVIDIA X", 8, "2.13.0", "13.0")


def test_a_machine_is_named_with_what_matters_on_it() -> None:
    assert str(CPU) == "Some CPU, 4 threads, PyTorch 2.13.0"
    assert str(GPU) == "NVIDIA X, CUDA 13.0, PyTorch 2.13.0"


def test_rates_follow_from_the_time() -> None:
    measured = Measurement(CPU, "float32", 8, 100, 0.02, 0.001, 10**9, None, 10**6)

    # 8 inputs in 20 ms, and two operations for each of 10^9 multiply-accumulates.
    assert measured.throughput == pytest.approx(400)
    assert measured.achieved == pytest.approx(1e11)
    assert peak(measured) == "not measured"
    assert as_data(measured)["peak_bytes"] is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(2.5, "2.50 s"), (0.0123, "12.3 ms"), (0.123, "123 ms"), (4.2e-5, "42.0 µs"), (0, "0.00 µs")],
)
def test_times_have_three_digits(seconds: float, shown: str) -> None:
    assert print_time(seconds) == shown


@pytest.mark.parametrize(
    ("rate", "shown"), [(1.234e12, "1.23 T"), (5.6e10, "56.0 G"), (12.3, "12.3"), (250, "250")]
)
def test_rates_have_three_digits(rate: float, shown: str) -> None:
    assert print_rate(rate) == shown
