from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from archcalc.operators.base import Operator, Work
from archcalc.operators.dropout import Dropout, StochasticDepth


@pytest.mark.parametrize("op", [Dropout(), Dropout(p=0.9, inplace=True), StochasticDepth(p=0.2)])
def test_does_nothing_at_inference(op: Operator) -> None:
    x = (2, 8, 4, 4)

    assert op.infer(x) == x
    assert op.work(x, x) == Work()
    assert op.weights(x) == op.buffers(x) == {}


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        (Dropout, {"p": -0.1}),
        (Dropout, {"p": 1.1}),
        (Dropout, {"p": float("nan")}),
        (StochasticDepth, {}),
        (StochasticDepth, {"p": 0.5, "mode": "column"}),
    ],
)
def test_fields_that_mean_nothing_are_refused(op: type[Operator], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="1 validation error"):
        op.model_validate(fields)
