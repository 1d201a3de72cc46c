"""The least time on a machine, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archcalc import (
    ArchcalcError,
    SpecError,
    analyze,
    generate,
    load,
    machines,
    memory,
    roofline,
)
from archcalc.analysis.roofline import Roofline
from archcalc.spec.machines import Hardware, Stated, find, read

Layers = dict[str, dict[str, Any]]


def machine(peak: float = 1.0, bandwidth: float | None = 1.0, cache: float = 0.0) -> Hardware:
    def stated(value: float | None) -> Stated | None:
        return Stated(value, str(value), False, "made up") if value else None

    peaks = {dtype: Stated(peak, str(peak), False, "made up") for dtype in ("int8", "float32")}
    return Hardware(
        "made-up", "Made up", None, Stated(cache, "", False, ""), stated(bandwidth), peaks
    )


def bound(layers: Layers, *axes: int, on: Hardware | None = None, **how: Any) -> Roofline:
    spec = load({"name": "net", "input": list(axes), "layers": layers})
    return roofline(spec, on or machine(), dtype="int8", **how)


def moved(found: Roofline) -> dict[str, int]:
    """Bytes by kernel."""
    return {"+".join(kernel.layers): kernel.bytes for kernel in found.kernels}


CONV = {"op": "Conv1d", "out_channels": 3, "kernel_size": 1}
CHAIN: Layers = {"a": CONV, "relu": {"op": "ReLU"}, "b": CONV}


def test_a_layer_reads_its_weights_and_input_and_writes_its_output() -> None:
    """Inputs of 2x4, outputs of 3x4 bytes; 9 weights in the first layer, 12 in the second."""
    apart = moved(bound(CHAIN, 2, 4, fusion="none"))
    assert apart == {"a": 8 + 9 + 12, "relu": 12 + 12, "b": 12 + 12 + 12}


def test_what_works_element_by_element_is_done_by_the_layer_before() -> None:
    assert moved(bound(CHAIN, 2, 4)) == {"a+relu": 8 + 9 + 12, "b": 12 + 12 + 12}


def test_all_fused_only_weights_inputs_and_outputs_are_moved() -> None:
    assert moved(bound(CHAIN, 2, 4, fusion="all")) == {"a+relu+b": 8 + 9 + 12 + 12}


def test_what_another_kernel_needs_is_written_too() -> None:
    """The sum is of the second convolution's kernel; the first one's output is read twice."""
    layers: Layers = {"a": CONV, "b": CONV, "add": {"op": "Add", "from": ["b", "a"]}}
    layers["c"] = {**CONV, "from": "add"}
    assert moved(bound(layers, 3, 4)) == {
        "a": 12 + 12 + 12,
        "b+add": 12 + 12 + 12,  # one read of a for both
        "c": 12 + 12 + 12,
    }
    assert moved(bound(layers, 3, 4, fusion="none")) == {
        "a": 12 + 12 + 12,
        "b": 12 + 12 + 12,
        "add": 12 + 12 + 12,
        "c": 12 + 12 + 12,
    }


@pytest.mark.parametrize("view", [{"op": "Flatten"}, {"op": "Dropout"}, {"op": "Identity"}])
def test_a_view_moves_nothing(view: dict[str, Any]) -> None:
    fc = {"op": "Linear", "out_features": 2, "bias": False}
    layers: Layers = {"a": CONV, "view": view, "flat": {"op": "Flatten"}, "fc": fc}
    assert moved(bound(layers, 2, 4)) == {"a": 8 + 9 + 12, "fc": 12 + 24 + 2}


def test_of_a_table_the_rows_that_are_looked_up_are_read() -> None:
    layers: Layers = {"table": {"op": "Embedding", "num_embeddings": 1000, "embedding_dim": 3}}
    # 5 indices of 8 bytes, 5 rows of 3 bytes read and written.
    assert moved(bound(layers, 5)) == {"table": 5 * 8 + 15 + 15}


def test_a_parameter_is_read_once_and_its_output_is_no_other() -> None:
    layers: Layers = {
        "scale": {"op": "Parameter", "shape": [3, 4], "from": "input"},
        "mul": {"op": "Mul", "from": ["input", "scale"]},
    }
    assert sum(moved(bound(layers, 3, 4)).values()) == 12 + 12 + 12


def test_what_fits_into_the_cache_is_not_moved_between_kernels() -> None:
    """Of tensors of 12 bytes 2 exceed a cache of 10; inputs, outputs and weights pass anyway."""
    found = bound(CHAIN, 2, 4, on=machine(cache=10))
    assert moved(found) == {"a+relu": 8 + 9 + 2, "b": 2 + 12 + 12}
    assert moved(bound(CHAIN, 2, 4, on=machine(cache=10), through_memory=True)) == {
        "a+relu": 8 + 9 + 12,
        "b": 12 + 12 + 12,
    }
    apart = bound(CHAIN, 2, 4, on=machine(cache=10), through_memory=True)
    assert found.through_memory == apart.seconds


def test_time_is_the_longer_of_computing_and_moving() -> None:
    """24 multiply-accumulates at 4 operations a second; 29 bytes at 1, then at 10, a second."""
    slow = bound({"a": CONV}, 2, 4, on=machine(4.0, 1.0))
    fast = bound({"a": CONV}, 2, 4, on=machine(4.0, 10.0))

    assert (slow.seconds, slow.kernels[0].binds) == (29.0, "memory")
    assert (fast.seconds, fast.kernels[0].binds) == (2 * 24 / 4, "compute")
    assert fast.kernels[0].intensity == 2 * 24 / 29
    assert (slow.ridge, fast.ridge) == (4.0, 0.4)


def test_without_a_bandwidth_only_work_bounds_the_time() -> None:
    found = bound({"a": CONV, "pool": {"op": "MaxPool1d", "kernel_size": 2}}, 2, 4)
    known = bound({"a": CONV}, 2, 4, on=machine(4.0, None))

    assert (known.seconds, known.ridge) == (12.0, None)
    assert found.kernels[1].seconds == 12 + 6


def test_lenet_by_hand() -> None:
    """LeCun 1998 with full connections, in float32, a byte and an operation a second each.

    Convolutions and layers with all their weights: 4 bytes of weights, of the input and of what is
    written; poolings and the softmax are read and written. Activations are of the layer before.
    """
    kernels = [  # multiply-accumulates, weights, input, output
        (6 * 25 * 784, 156, 1024, 6 * 784),
        (0, 0, 6 * 784, 6 * 196),
        (16 * 150 * 100, 2416, 6 * 196, 1600),
        (0, 0, 1600, 400),
        (400 * 120, 48_120, 400, 120),
        (120 * 84, 10_164, 120, 84),
        (84 * 10, 850, 84, 10),
        (0, 0, 10, 10),
    ]
    found = roofline(load("lenet5"), machine(1.0, 1.0))

    assert [(k.macs, k.bytes) for k in found.kernels] == [
        (macs, 4 * (weights + given + made)) for macs, weights, given, made in kernels
    ]
    assert found.seconds == sum(max(2 * m, 4 * (w + i + o)) for m, w, i, o in kernels)


def test_resnet18_by_hand() -> None:
    """He et al. 2015, 224x224, batch norms and sums fused: bytes of 8 stages' tensors, in int8."""
    found = roofline(load("resnet18"), machine(1.0, 1.0), dtype="int8")
    # With the statistics of 4,800 channels: a mean and a variance each.
    weights = 11_689_512 + 2 * 4800
    side = {64: 56, 128: 28, 256: 14, 512: 7}
    image = {c: c * n * n for c, n in side.items()}
    stem = 3 * 224 * 224 + 2 * (64 * 112 * 112) + image[64]
    first = 2 * (image[64] * 2 + image[64] * 3)  # the second conv reads the shortcut, too
    rest = 0
    for before, now in ((64, 128), (128, 256), (256, 512)):
        rest += image[before] + image[now]  # conv1
        rest += 2 * image[now]  # conv2 with its batch normalization
        rest += image[before] + image[now] + image[now]  # the projection, with the sum
        rest += 2 * image[now] + 3 * image[now]  # the second block
    end = image[512] + 512 + 512 + 1000
    assert found.bytes == weights + stem + first + rest + end


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["lenet5", "resnet18", "mobilenet_v2", "densenet121", "gpt2"]),
    st.sampled_from(["float32", "int8"]),
    st.integers(1, 3),
)
def test_the_more_is_fused_and_kept_the_less_is_moved(name: str, dtype: str, batch: int) -> None:
    spec = load(name)
    on = machine(1e9, 1e9, 1e6)
    how: dict[str, Any] = {"dtype": dtype, "batch": batch}
    none, some, whole = (
        roofline(spec, on, fusion=fusion, through_memory=True, **how)
        for fusion in ("none", "elementwise", "all")
    )
    cached = roofline(spec, on, **how)

    assert none.macs == some.macs == whole.macs == analyze(spec, batch=batch).macs
    assert none.bytes >= some.bytes >= whole.bytes
    assert none.seconds >= some.seconds >= cached.seconds
    assert whole.bytes >= some.bytes - sum(k.moved for k in some.kernels)
    assert cached.seconds >= max(cached.seconds_computing, cached.seconds_moving) * (1 - 1e-12)
    assert cached.needed == memory(spec, dtype, batch=batch).most


def test_layers_of_unknown_operators_are_named() -> None:
    layers = {"a": CONV, "odd": {"op": "Odd", "shape": [3, 4]}}
    spec = load({"name": "net", "input": [2, 4], "layers": layers}, allow_unknown=True)
    assert roofline(spec, machine(), allow_unknown=True).not_counted == ("odd",)


def test_what_is_not_known_is_refused() -> None:
    spec = load("lenet5")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"on": "h10"}, "did you mean 'h100'"),
        ({"fusion": "some"}, "none, elementwise, all"),
        ({"dtype": "int3"}, "no dtype 'int3'"),
        ({"on": "coral", "dtype": "float32"}, "its peaks are of: int8"),
    ]
    for how, message in wrong:
        with pytest.raises(ArchcalcError, match=message):
            roofline(spec, **how)


# Machines


def test_every_machine_that_is_shipped_says_where_each_number_stands() -> None:
    found = machines()
    assert {"h100-sxm", "h100-pcie", "h200", "a100-40gb", "a100-80gb", "rtx4090"} <= {
        each.name for each in found
    }
    for each in found:
        stated = [*each.peaks.values(), each.memory, each.bandwidth, each.cache]
        assert all(len(s.source) > 20 for s in stated if s is not None)
        assert find(each.name) == each


def test_what_is_printed_with_sparsity_is_halved() -> None:
    """989.4 TFLOPS are NVIDIA's number without sparsity for bfloat16 in the H100's whitepaper."""
    h100 = find("h100")
    source = h100.peaks["tf32"].source
    assert h100.peak("bfloat16") == Stated(989.5e12, "1,979 TFLOP/s", True, source, doubles=True)
    assert h100.peak("bfloat16").value == pytest.approx(989.4e12, rel=2e-3)
    assert h100.bandwidth is not None
    assert h100.bandwidth.value == 3.35e12


def test_a_file_describes_another_machine(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: Mine\nsources: {me: measured by me}\nbandwidth: {printed: 51.2 GB/s, source: me}\n"
        "cache: {printed: 8 MiB, source: me}\n"
        "peaks:\n  int8: {printed: 26 TOP/s, sparse: true, source: me}\n"
    )
    found = read(path)

    assert (found.name, found.title, found.memory) == ("mine", "Mine", None)
    assert found.bandwidth == Stated(51.2e9, "51.2 GB/s", False, "measured by me")
    assert found.cache is not None
    assert found.cache.value == 8 * 2**20
    assert found.peak("int8").value == 13e12
    assert roofline(load("lenet5"), str(path), dtype="int8").seconds > 0


@pytest.mark.parametrize(
    ("name", "mebibytes"),
    [("h200", 143_771), ("h100-sxm", 81_559), ("rtx4090", 24_564), ("a100-40gb", 40_960)],
)
def test_a_machine_has_no_less_memory_than_its_driver_says(name: str, mebibytes: int) -> None:
    """What nvidia-smi prints of each; printed in GB it is a little more than that."""
    (found,) = (each for each in machines() if each.name == name)
    assert found.memory is not None
    assert mebibytes * 2**20 <= found.memory.value < 1.01 * mebibytes * 2**20


def test_of_a_cache_that_is_not_known_all_may_stay_in_it() -> None:
    """Else what is called a bound would be above a run that stays in a cache nobody printed."""
    unknown = replace(machine(), cache=None)
    layers: Layers = {
        "one": {"op": "Linear", "out_features": 3},
        "two": {"op": "Linear", "out_features": 4},
    }
    found = bound(layers, 2, on=unknown)
    assert moved(found) == {"one": 2 + 2 * 3 + 3, "two": 3 * 4 + 4 + 4}  # not the 3 between them
    assert bound(layers, 2, on=unknown, through_memory=True).seconds == bound(layers, 2).seconds


def test_two_machines_have_twice_as_much_of_everything() -> None:
    one, two = find("rtx4090"), find("2x4090")
    assert (two.name, two.title) == ("2xrtx4090", f"2 x {one.title}")
    for once, twice in (
        (one.memory, two.memory),
        (one.cache, two.cache),
        (one.bandwidth, two.bandwidth),
        *((peak, two.peaks[dtype]) for dtype, peak in one.peaks.items()),
    ):
        assert once is not None
        assert twice is not None
        assert twice.value == 2 * once.value
        assert twice.printed == f"2 x {once.printed}"
    assert "what passes between them is not counted" in two.notes
    assert find("1xm2").memory == find("m2").memory
    with pytest.raises(ArchcalcError, match="no machine 'b17'"):
        find("8xb17")
    with pytest.raises(ArchcalcError, match="no machine '0xm2'"):
        find("0xm2")


def test_where_one_machine_is_wanted_two_lead_to_compare() -> None:
    with pytest.raises(ArchcalcError, match="compare NETWORK --on a100,h100' puts them side"):
        find("a100,h100")


def test_llama_of_70_billion_in_4_bits_fits_into_two_cards_of_24_gb_and_not_into_one() -> None:
    """70.6 billion numbers of four bits and a quarter, with 128 a scale: about 38 GB."""
    how: dict[str, Any] = {"prompt": 100, "tokens": 2, "weights": "int4:128"}
    assert generate("llama3_70b", on="rtx4090", **how).largest == 0
    assert (generate("llama3_70b", on="2xrtx4090", **how).largest or 0) >= 1


def test_llama_of_70_billion_in_16_bits_is_not_said_to_be_too_large_for_an_h200() -> None:
    """141.1 billion bytes, of 150.8 billion that are there."""
    found = generate("llama3_70b", on="h200", prompt=100, tokens=2)
    assert (found.largest or 0) >= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bandwith: {printed: 1 GB/s, source: x}", "did you mean 'bandwidth'"),
        ("bandwidth: 1 GB/s", "should be a mapping"),
        ("bandwidth: {printed: 1 GB, source: x}", "TB/s, GB/s, MB/s"),
        ("bandwidth: {printed: 1 GB/s}", "a source has to be named"),
        ("bandwidth: {printed: 0 GB/s, source: x}", "leave out what is not known"),
        ("memory: {printed: 1 GB, sparse: true, source: x}", "of peaks alone"),
        ("peaks: {int8: {printed: 1 TOP/s, source: x, dense: true}}", "no key 'dense'"),
        ("peaks: [int8]", "should be names with values"),
    ],
)
def test_mistakes_in_a_machine_are_told_with_their_place(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(f"name: wrong\n{text}\n")

    with pytest.raises(SpecError, match=message) as raised:
        read(path)
    assert "wrong.yaml:2" in str(raised.value)
