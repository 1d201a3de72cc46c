"""ATen's recurrent layers and cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import fx

from archcalc.frontends.table import Beside, held
from archcalc.frontends.torch.aten.call import Call, Found, Made, line, name_of, piece
from archcalc.frontends.torch.captured import GETITEM


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
    if "params" not in call:
        return Beside() if index else None
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
        if index:
            return Beside()
        rows, size = call.shape(call["data"])
        given = Made("Reshape", {}, (call["data"],), shape=(1, rows, size))
        shape = (1, rows, call.shape_of(call.node)[0][-1])
        return Made("Reshape", {}, (Made(_RECURRENT[name], fields, (given,), weights, shape),))
    if len(call.shape(call.x)) != 3:
        return Beside() if index else Made(_RECURRENT[name], fields, (call.x,), weights)
    first = bool(call["batch_first"])
    batch, times, size = (call.shape(call.x)[k] for k in ((0, 1, 2) if first else (1, 0, 2)))
    source: fx.Node | Made = call.x
    if not first:
        source = Made("Permute", {"dims": [1, 0, 2]}, (source,), shape=(batch, times, size))
    states = call["hx"] if isinstance(call["hx"], (list, tuple)) else [call["hx"]]
    told = "proj_size" not in fields  # h and c are of one size
    beside = (_first_state(call, states, fields["num_layers"]),)
    inputs = (source, *beside) if told and not all(map(_is_nothing, states)) else (source,)
    out = call.shape_of(call.node)[0][-1]
    taken = {user.args[1] for user in call.node.users if user.target is GETITEM and user.users}
    if taken <= {0} or not told:
        if index:
            return Beside()
        made = Made(_RECURRENT[name], fields, inputs, weights, (batch, times, out))
        return made if first else Made("Permute", {"dims": [1, 0, 2]}, (made,))
    shape = batch, times + len(states) * fields["num_layers"], out
    fields["states"] = True
    whole = Made(_RECURRENT[name], fields, inputs, weights, shape, once=call.node)
    return _part(call, whole, index, times)


def _is_nothing(state: fx.Node) -> bool:
    """Whether a state is zeros, as it is where none is given."""
    while name_of(state) in ("expand", "clone", "contiguous") and isinstance(
        state.args[0], fx.Node
    ):
        state = state.args[0]
    return name_of(state) in ("zeros", "zeros_like", "new_zeros")


def _first_state(call: Call, given: Sequence[fx.Node], layers: int) -> Made:
    """States (L, N, H), each direction a layer, as ours are: (N, S, H)."""
    rows, batch, size = call.shape(given[0])
    shape = (batch, layers, rows // layers * size)
    states = [
        Made(
            "Reshape",
            {},
            (Made("Permute", {"dims": [1, 0, 2]}, (each,), shape=(batch, rows, size)),),
            shape=shape,
        )
        for each in given
    ]
    if len(states) == 1:
        return states[0]
    return Made("Concat", {"dim": 1}, tuple(states), shape=(batch, layers * len(states), shape[2]))


def _part(call: Call, whole: Made, index: int, times: int) -> Made:
    """The sequence, or one of the states, of what gives all of them in a row."""
    assert whole.shape is not None
    batch, _, out = whole.shape
    layers = whole.fields["num_layers"]
    start = 0 if index == 0 else times + (index - 1) * layers
    end = times if index == 0 else start + layers
    cut = Made(
        "Slice", {"dim": 1, "start": start, "end": end}, (whole,), shape=(batch, end - start, out)
    )
    if index == 0:
        return cut if call["batch_first"] else Made("Permute", {"dims": [1, 0, 2]}, (cut,))
    rows, _, size = call.shape_of(call.node)[index]
    apart = Made("Reshape", {}, (cut,), shape=(batch, rows, size))
    return Made("Permute", {"dims": [1, 0, 2]}, (apart,))


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
