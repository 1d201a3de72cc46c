from __future__ import annotations

import sys

import pytest
import torch

import archcalc.pytorch
from archcalc.errors import ArchcalcError
from archcalc.operators import NAMES, operator
from archcalc.operators.attention import MultiheadAttention
from archcalc.operators.conv import Conv2d
from archcalc.operators.join import Concat
from archcalc.operators.recurrent import LSTM
from archcalc.operators.slicing import Split
from archcalc.pytorch import module


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_performed(name: str) -> None:
    for example in operator(name).examples:
        made = module(operator(name)(**example.fields), *example.inputs, device="meta")

        assert isinstance(made, torch.nn.Module)
        assert all(tensor.is_meta for tensor in made.state_dict().values())


def test_without_pytorch_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(ArchcalcError, match=r"not installed: pip install 'archcalc\[torch\]'"):
        archcalc.pytorch.module(Conv2d(out_channels=8, kernel_size=3), (1, 3, 9, 9))


def test_importing_the_package_imports_no_torch() -> None:
    import subprocess

    code = "import sys, archcalc.pytorch; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_list_of_inputs_is_gathered() -> None:
    made = module(Concat(), (1, 2), (1, 3))

    assert made(torch.ones(1, 2), torch.zeros(1, 3)).tolist() == [[1, 1, 0, 0, 0]]


def test_the_item_asked_for_is_taken() -> None:
    made = module(Split(split_size_or_sections=2, index=1), (1, 5))

    assert made(torch.arange(5).reshape(1, 5)).tolist() == [[2, 3]]


def test_names_of_weights_have_no_prefix() -> None:
    made = module(LSTM(hidden_size=4, bias=False), (1, 3, 2))

    assert list(dict(made.named_parameters())) == ["weight_ih_l0", "weight_hh_l0"]


def test_dtype_is_that_of_the_weights() -> None:
    made = module(MultiheadAttention(num_heads=2), (1, 3, 4), dtype=torch.float64)

    assert {p.dtype for p in made.parameters()} == {torch.float64}
