"""ATen's recurrent layers and cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import fx

from archcalc.frontends.table import Beside, held
from archcalc.frontends.torch.aten.call import Call, Found, Made, line, name_of, piece


def _cell(op: str, call: Call, state: fx.Node | Made, **more: Any) -> Made:
    names = {"weight_ih": "w_ih", "weight_hh": "w_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}
    weights = held(**{name: call[said] for name, said in names.items()})
    fields = {
        "hidden_size": call.shape(call["w_hh"])[1],
        "bias": call["b_ih"] is not None,
        **more,
    }
    return Made(op, fields, (call.x, state), weights)


@line("gru_cell")
def _gru_cell(call: Call) -> Made:
    return _cell("GRUCell", call, call["hx"])


@line("rnn_tanh_cell", "rnn_relu_cell")
def _rnn_cell(call: Call) -> Made:
    function = "relu" if "relu" in str(call.node.target) else "tanh"
    return _cell("RNNCell", call, call["hx"], nonlinearity=function)


@piece("lstm_cell")
def _lstm_cell(call: Call, index: int) -> Made:
    h, c = call["hx"]
    batch, size = call.shape(h)
    shape = batch, 2, size
    cell = _cell("LSTMCell", call, Made("Stack", {"dim": 1}, (h, c), shape=shape))
    whole = Made(cell.op, cell.fields, cell.inputs, cell.weights, shape, once=call.node)
    return Made("Select", {"dim": 1, "index": index}, (whole,))


_RECURRENT = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}


@piece(*_RECURRENT)
def _recurrent(call: Call, index: int) -> Found:
    name = name_of(call.node)
    if index:
        return Beside()
    if "params" not in call:
        return None
    weights = dict(_cells(call, name))
    hidden = (
        call.shape(weights["weight_hh_l0"])[0] // {"LSTM": 4, "GRU": 3, "RNN": 1}[_RECURRENT[name]]
    )
    fields: dict[str, Any] = {
        "hidden_size": hidden,
        "num_layers": call["num_layers"],
        "bias": bool(call["has_biases"]),
        "bidirectional": bool(call["bidirectional"]),
    }
    if name == "rnn_relu":
        fields["nonlinearity"] = "relu"
    if "weight_hr_l0" in weights:
        fields["proj_size"] = call.shape(weights["weight_hr_l0"])[0]
    if "batch_sizes" in call:  # sequences that are packed: a row for each of their elements
        rows, size = call.shape(call["data"])
        given = Made("Reshape", {}, (call["data"],), shape=(1, rows, size))
        shape = (1, rows, call.shape_of(call.node)[0][-1])
        return Made("Reshape", {}, (Made(_RECURRENT[name], fields, (given,), weights, shape),))
    if call["batch_first"] or len(call.shape(call.x)) != 3:
        return Made(_RECURRENT[name], fields, (call.x,), weights)
    times, batch, size = call.shape(call.x)
    given = Made("Permute", {"dims": [1, 0, 2]}, (call.x,), shape=(batch, times, size))
    out = call.shape_of(call.node)[0][-1]
    made = Made(_RECURRENT[name], fields, (given,), weights, (batch, times, out))
    return Made("Permute", {"dims": [1, 0, 2]}, (made,))


def _cells(call: Call, name: str) -> Iterator[tuple[str, fx.Node]]:
    """The tensors of a recurrent layer by PyTorch's names, in PyTorch's order."""
    tensors: Sequence[fx.Node] = call["params"]
    ways = ("", "_reverse")[: 2 if call["bidirectional"] else 1]
    each = len(tensors) // (call["num_layers"] * len(ways))
    words = ["weight_ih", "weight_hh"]
    words += ["bias_ih", "bias_hh"] if call["has_biases"] else []
    words += ["weight_hr"] if each > len(words) else []
    places = [f"l{layer}{way}" for layer in range(call["num_layers"]) for way in ways]
    names = [f"{word}_{place}" for place in places for word in words]
    yield from zip(names, tensors, strict=True)
