"""Operators by the names that they have elsewhere. Specs are asked in tests/spec/test_words.py."""

import pytest

from archcalc.operators import NAMES
from archcalc.operators.words import called_operator, operator_hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("relu", "did you mean 'ReLU'?"),
        ("nn.ReLU()", "did you mean 'ReLU'?"),
        ("max_pool2d", "did you mean 'MaxPool2d'?"),
        ("Conv2d(64, 3)", "fields have names: {op: Conv2d, out_channels: ..., kernel_size: ...}"),
        ("ReLU", ""),  # as it is called here
        ("Nothing", ""),
    ],
)
def test_what_is_called_as_in_a_program_is_told(name: str, hint: str) -> None:
    assert called_operator(name, NAMES) == hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Relu", "did you mean 'ReLU'?"),
        ("hardsigmoid", "it is 'Hardsigmoid'"),
        ("HSIGMOID", "it is 'Hardsigmoid'"),
        ("tf.SimpleRNN", "it is 'RNN'"),
        ("Linaer", "did you mean 'Linear'?"),
        ("Xyzzy", ""),
    ],
)
def test_what_is_unknown_is_told_the_nearest_or_its_name_here(name: str, hint: str) -> None:
    assert operator_hint(name, NAMES) == hint
