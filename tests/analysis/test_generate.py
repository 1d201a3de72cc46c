"""Generating text, by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import archcalc
from archcalc import ArchcalcError, build, expand, generate, load, memory, roofline
from archcalc.analysis.generate import _longest
from archcalc.spec.bits import Format
from archcalc.spec.machines import Hardware, Stated


def machine(peak: float, bandwidth: float, room: float = 0.0, cache: float = 0.0) -> Hardware:
    def stated(value: float) -> Stated | None:
        return Stated(value, f"{value} B", False, "made up") if value else None

    peaks = {dtype: Stated(peak, str(peak), False, "made up") for dtype in ("bfloat16", "float32")}
    return Hardware(
        "made-up", "Made up", stated(room), Stated(cache, "", False, ""), stated(bandwidth), peaks
    )


# What is kept


@pytest.mark.parametrize(
    ("name", "each"),
    [
        # Two tensors of 32 layers, 32 heads of 128 features, 2 bytes each; of Llama 3 8 heads.
        ("llama2_7b", 2 * 32 * 32 * 128 * 2),
        ("llama3_8b", 2 * 32 * 8 * 128 * 2),
        ("llama3_70b", 2 * 80 * 8 * 128 * 2),
        ("gpt2", 2 * 12 * 768 * 2),
    ],
)
def test_bytes_of_the_cache_by_token(name: str, each: int) -> None:
    """524,288 of Llama 2 7B and 131,072 of Llama 3 8B are the known ones."""
    for past in (1, 99):
        found = memory(load(name), "bfloat16", input=[1], past=past)
        assert found.cache == each * (past + 1)
    assert memory(load(name), "bfloat16", input=[7]).cache == 0


def test_a_token_after_others_takes_the_work_of_the_last_row() -> None:
    """All products of a text of T tokens are those of T steps, but for scores of later tokens."""
    spec = load("gpt2")
    tokens, layers, features = 6, 12, 768
    whole = archcalc.analyze(spec, input=[tokens]).macs
    first = archcalc.analyze(spec, input=[1]).macs
    steps = first + sum(
        archcalc.analyze(spec, input=[1], past=past).macs for past in range(1, tokens)
    )

    hidden = tokens * tokens - tokens * (tokens + 1) // 2
    assert whole - steps == layers * 2 * features * hidden


@pytest.mark.parametrize("name", ["gpt2", "llama3_2_1b"])
def test_a_step_runs_in_pytorch(name: str) -> None:
    sizes: dict[str, Any] = (
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_vocab": 50}
        if name == "gpt2"
        else {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
        | {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 50}
    )
    graph = expand(load(name), input=[1], batch=3, past=5, last=True, **sizes)
    net = build(graph).eval()

    assert net(torch.zeros(3, 1, dtype=torch.long)).shape == (3, 1, 50)


def test_what_is_kept_is_read_once_and_what_is_new_is_written() -> None:
    """Weights, the cache, the new keys and values, and what passes between kernels."""
    spec = load("llama2_7b")
    one, other = (
        roofline(spec, "h100", dtype="bfloat16", input=[1], past=past, last=True)
        for past in (1000, 3000)
    )

    assert other.bytes - one.bytes == 2000 * 524_288
    assert other.macs - one.macs == 2000 * 32 * 2 * 4096
    weights = sum(kernel.weights for kernel in one.kernels)
    # All but the table of embeddings, of which one row is read.
    assert weights == 2 * (6_738_415_616 - 32_000 * 4096 + 4096)
    written = 32 * 2 * 4096 * 2
    assert one.bytes - weights - 1001 * 524_288 - written < 10**6


# Steps


def test_times_of_all_steps_are_summed() -> None:
    spec = load("gpt2")
    found = generate(spec, machine(1e12, 1e10), prompt=20, tokens=9, batch=3)
    steps = [
        roofline(spec, machine(1e12, 1e10), dtype="bfloat16", input=[1], batch=3, past=p, last=True)
        for p in range(20, 28)
    ]

    assert found.seconds_writing == pytest.approx(sum(step.seconds for step in steps), rel=1e-12)
    assert found.macs_writing == sum(step.macs for step in steps)
    assert found.rate == 3 * 8 / found.seconds_writing
    assert (found.first.seconds, found.last.seconds) == (steps[0].seconds, steps[-1].seconds)


def test_a_window_bounds_what_is_kept() -> None:
    """Half of the steps fill the window of 6, the others leave it full."""
    data = {
        "name": "windowed",
        "input": [4],
        "vars": {"past": 0, "window": 6},
        "layers": {
            "embed": {"op": "Embedding", "num_embeddings": 9, "embedding_dim": 8},
            "cut": {"op": "Reshape", "shape": ["=size(embed, 1)", 2, 4]},
            "x": {"op": "Permute", "dims": [0, 2, 1, 3]},
            "kept": {"op": "Cache", "length": "=min(past, window - 1)", "when": "=past > 0"},
            "all": {"op": "Concat", "dim": 2, "from": ["kept", "x"], "when": "=past > 0"},
            "sdpa": {"op": "ScaledDotProductAttention", "from": ["x", "all", "all"]},
            "order": {"op": "Permute", "dims": [0, 2, 1, 3]},
            "join": {"op": "Flatten", "start_dim": 2},
            "fc": {"op": "Linear", "out_features": 9, "bias": False},
        },
    }
    found = generate(load(data), machine(1e9, 1e9), prompt=2, tokens=9)

    keys = [min(past, 5) + 1 for past in range(2, 10)]
    assert found.macs_writing == sum(2 * 8 * n + 8 * 9 for n in keys)
    assert found.stored.cache == 6 * 8 * 2


# Memory and batches


def test_the_largest_batch_fits_and_one_more_does_not() -> None:
    spec = load("gpt2")
    room = 500e6
    found = generate(spec, machine(1e12, 1e11, room), prompt=100, tokens=50)
    assert found.largest is not None

    def needed(batch: int) -> int:
        return generate(spec, machine(1e12, 1e11, room), prompt=100, tokens=50, batch=batch).needed

    assert needed(found.largest) <= room < needed(found.largest + 1)


@pytest.mark.parametrize(("weights", "size"), [("bfloat16", 2), ("int8", 1)])
def test_work_binds_weights_from_about_the_ridge_on(weights: str, size: int) -> None:
    """At 100 operations a byte: each matrix's number is two of them for each text.

    Biases are read too, and of each text its scores of all words and new keys and values written.
    """
    on = machine(1e12, 1e10, cache=1e12)
    found = generate(load("gpt2"), on, prompt=9, tokens=3, weights=weights)

    matrices, biases = 12 * 12 * 768 * 768 + 50_257 * 768, 12 * 9 * 768
    of_text = 50_257 * 2 + 12 * 2 * 768 * 2
    texts = 100 * (matrices * size + biases * 2) / (2 * matrices - 100 * of_text)
    assert found.crossing == -(-texts // 1)


def test_what_can_not_generate_is_told() -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("resnet18", {}, "no variable 'past'"),
        ("gpt2", {"tokens": 1}, "two are written"),
        ("gpt2", {"weights": "int5"}, "did you mean"),
        ("gpt2", {"weights": "int4:0"}, "write int4:128"),
        ("gpt2", {"on": "coral"}, "its peaks are of: int8"),
    ]
    for name, how, message in wrong:
        with pytest.raises(ArchcalcError, match=message):
            generate(load(name), **{"prompt": 9, "tokens": 3, **how})


# Formats


def test_formats_with_scales_and_zero_points() -> None:
    """300 numbers in 2 rows: 2 groups of 128 in each, the second one short."""
    assert Format.of("int4").bytes((2, 150)) == 150
    assert Format.of("int4:128").bytes((2, 150)) == 150 + 2 * 2 * 2
    assert Format.of("int4:128:zero").bytes((2, 150)) == 150 + 2 * 2 * 2 + 2
    assert Format.of("binary").bytes((9,)) == 2
    assert Format.of("bfloat16").bytes((9,)) == 18


def test_matrices_that_multiply_take_the_format_and_nothing_else() -> None:
    spec = load("llama3_8b")
    found = memory(spec, "bfloat16", weights="int4:128")

    embedding, norms = 128_256 * 4096, 65 * 4096
    matrices = 8_030_261_248 - embedding - norms
    assert found.weights == matrices * 4 // 8 + matrices // 128 * 2 + 2 * (embedding + norms)


def test_of_two_numbers_that_change_the_larger_is_taken_at_each_step() -> None:
    # 10, then 5 of both, then 10; and 20, 25, 30, which is larger all the way.
    assert _longest(((0.0, 10.0), (10.0, 0.0)), 2) == 25
    assert _longest(((0.0, 10.0), (20.0, 30.0)), 2) == 75


def test_where_no_bandwidth_is_known_work_bounds_one_text() -> None:
    found = generate("gpt2", machine(1e12, 0.0), prompt=4, tokens=2)
    assert (found.crossing, found.largest) == (1, None)
