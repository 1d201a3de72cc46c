"""GPT-2 against its authors' numbers and transformers' implementation."""

from __future__ import annotations

import pytest

import archcalc
from archcalc import Analysis

# OpenAI's paper, table 2, and hparams.json of the weights: layers, features, heads.
SIZES = {
    "gpt2": (12, 768, 12),
    "gpt2-medium": (24, 1024, 16),
    "gpt2-large": (36, 1280, 20),
    "gpt2-xl": (48, 1600, 25),
}

# transformers, GPT2LMHeadModel with the configurations of openai-community/gpt2*.
TRANSFORMERS = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
}

names = pytest.mark.parametrize("name", list(SIZES))


def network(name: str, tokens: int = 1024) -> Analysis:
    return archcalc.analyze(archcalc.load(name), input=[tokens])


@names
def test_params_worked_from_the_sizes(name: str) -> None:
    layers, d, _ = SIZES[name]
    attention = (d * 3 * d + 3 * d) + (d * d + d)
    mlp = (d * 4 * d + 4 * d) + (4 * d * d + d)
    params = 50257 * d + 1024 * d + layers * (attention + mlp + 2 * 2 * d) + 2 * d

    assert network(name).params == params == TRANSFORMERS[name]


@names
def test_the_papers_counts_are_those_of_a_smaller_vocabulary(name: str) -> None:
    # Table 2; GPT, whose tokens are 40,478, has 117 million parameters in 12 layers of 768.
    printed = {"gpt2": 117, "gpt2-medium": 345, "gpt2-large": 762, "gpt2-xl": 1542}
    smaller = archcalc.analyze(archcalc.load(name), n_vocab=40478)

    assert round(smaller.params / 1e6) == printed[name]


@names
def test_macs_worked_from_the_sizes(name: str) -> None:
    """Of all scores, masked ones too: 12 d^2 a token and layer, and 2 T d in attention."""
    layers, d, _ = SIZES[name]
    for tokens in (1, 1024):
        macs = tokens * (layers * (12 * d * d + 2 * tokens * d) + 50257 * d)
        assert network(name, tokens).macs == macs


def test_the_classifier_is_the_embedding() -> None:
    row = network("gpt2").row("lm_head")

    assert row.node.share == "wte"
    assert (row.params, row.shared) == (0, 50257 * 768)


def test_a_shorter_text_has_as_many_parameters() -> None:
    short = network("gpt2", 128)

    assert short.params == TRANSFORMERS["gpt2"]
    assert short.row("positions").shape == (1, 128, 768)


def test_it_is_built_with_one_tensor_for_both_ends() -> None:
    built = archcalc.build(archcalc.load("gpt2"), device="meta", n_layer=1)

    assert built.get_parameter("lm_head.weight") is built.get_parameter("wte.weight")
