"""What attention is told of positions, by definition and as published networks store it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.base import Operator, Work
from archcalc.operators.positions import RelativePositionBias, RotaryEmbedding, ShiftedWindowMask
from archcalc.pytorch import module


class TestRelativePositionBias:
    def test_it_has_a_number_for_every_head_and_distance(self) -> None:
        """Swin-T's first stage in torchvision: 3 heads, windows of 7 x 7, distances of -6 to 6."""
        queries = (1, 64, 3, 49, 32)
        bias = RelativePositionBias(window_size=7)

        assert bias.weights(queries) == {"relative_position_bias_table": (13 * 13, 3)}
        assert bias.buffers(queries) == {"relative_position_index": (49 * 49,)}
        assert bias.infer(queries) == (1, 1, 3, 49, 49)
        assert bias.work((1, 1, 3, 49, 49), queries) == Work()

    def test_without_windows_it_has_the_axes_of_the_scores(self) -> None:
        assert RelativePositionBias(window_size=14).infer((2, 8, 196, 32)) == (2, 8, 196, 196)

    def test_equal_distances_have_equal_biases_and_unequal_ones_their_own(self) -> None:
        queries = torch.zeros(2, 4, 5, 2 * 3, 8)
        made = module(RelativePositionBias(window_size=(2, 3)), tuple(queries.shape))
        biases = made(queries)
        assert biases.shape == (2, 1, 5, 6, 6)

        places = [(row, column) for row in range(2) for column in range(3)]
        by_distance: dict[tuple[int, int], list[float]] = {}
        for i, (row, column) in enumerate(places):
            for j, (other_row, other_column) in enumerate(places):
                bias = by_distance.setdefault((row - other_row, column - other_column), [])
                bias.append(biases[1, 0, 4, i, j].item())

        # Distances of -1 to 1 and of -2 to 2.
        assert len(by_distance) == 3 * 5
        assert all(len(set(same)) == 1 for same in by_distance.values())
        assert len({same[0] for same in by_distance.values()}) == 15

    @pytest.mark.parametrize(
        ("queries", "message"),
        [
            ((1, 3, 48, 32), "a window of 7x7 has 49 positions, but queries have T = 48"),
            ((1, 49, 32), "of at least 4 axes"),
        ],
    )
    def test_refuses_queries_of_another_window(self, queries: Shape, message: str) -> None:
        with pytest.raises(ShapeError, match=message):
            RelativePositionBias(window_size=7).infer(queries)


class TestShiftedWindowMask:
    def test_every_window_has_a_mask_of_its_own(self) -> None:
        mask = ShiftedWindowMask(window_size=7, resolution=14, shift_size=3)
        biases = (2, 1, 3, 49, 49)

        assert mask.infer(biases) == (2, 4, 3, 49, 49)
        assert mask.work((2, 4, 3, 49, 49), biases) == Work(adds=2 * 4 * 3 * 49 * 49)

    @pytest.mark.parametrize("shift", [(0, 0), (1, 2), (0, 1)])
    def test_only_what_was_neighboured_before_the_shift_attends(
        self, shift: tuple[int, int]
    ) -> None:
        """In a window are positions that were less than its extents apart, or came in behind."""
        window, resolution = (2, 3), (4, 9)
        op = ShiftedWindowMask(window_size=window, resolution=resolution, shift_size=shift)
        masks = module(op, (1, 1, 1, 6, 6))(torch.zeros(1, 1, 1, 6, 6))[0, :, 0]

        rows, columns = torch.meshgrid(*map(torch.arange, resolution), indexing="ij")
        back = [-amount for amount in shift]
        places = torch.roll(torch.stack([rows, columns], -1), back, (0, 1))
        number = 0
        for down in range(0, 4, 2):
            for right in range(0, 9, 3):
                inside = places[down : down + 2, right : right + 3].reshape(6, 2)
                far = (inside[:, None] - inside[None]).abs() >= torch.tensor(window)
                assert torch.equal(masks[number] == -100, far.any(-1))
                number += 1
        assert number == len(masks) == 6

    @pytest.mark.parametrize(
        ("fields", "biases", "message"),
        [
            ({"resolution": 15, "shift_size": 3}, (1, 1, 3, 49, 49), "windows of 7 do not divide"),
            ({"resolution": 14, "shift_size": 7}, (1, 1, 3, 49, 49), "shift_size=7 should be less"),
            ({"resolution": 14, "shift_size": 3}, (1, 1, 3, 48, 48), "but the biases are of 48"),
            ({"resolution": 14, "shift_size": 3}, (1, 4, 3, 49, 49), "takes biases"),
            ({"resolution": 14, "shift_size": 3}, (1, 3, 49, 49), "at least 5 axes"),
        ],
    )
    def test_refuses_what_does_not_fit(
        self, fields: dict[str, Any], biases: Shape, message: str
    ) -> None:
        with pytest.raises(ShapeError, match=message):
            ShiftedWindowMask(window_size=7, **fields).infer(biases)


class TestRotaryEmbedding:
    def test_an_element_costs_two_multiplies_and_an_add(self) -> None:
        x = (2, 4, 10, 16)
        rotary = RotaryEmbedding()

        assert rotary.infer(x) == x
        assert rotary.work(x, x) == Work(multiplies=2 * 2 * 4 * 10 * 16, adds=2 * 4 * 10 * 16)
        assert rotary.weights(x) == rotary.buffers(x) == {}

    def test_a_pair_is_turned_as_a_complex_number(self) -> None:
        x = torch.randn(1, 2, 5, 6)
        turned = module(RotaryEmbedding(base=100.0), (1, 2, 5, 6))(x)

        for position in range(5):
            for pair in range(3):
                number = torch.complex(x[..., position, pair], x[..., position, pair + 3])
                angle = torch.tensor(position * 100.0 ** (-2 * pair / 6))
                expected = number * torch.polar(torch.tensor(1.0), angle)
                torch.testing.assert_close(turned[..., position, pair], expected.real)
                torch.testing.assert_close(turned[..., position, pair + 3], expected.imag)

    def test_pairs_are_needed(self) -> None:
        with pytest.raises(ShapeError, match="odd number: 15"):
            RotaryEmbedding().infer((2, 4, 10, 15))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (RelativePositionBias, {"window_size": [1, 2, 3]}),
        (RelativePositionBias, {"window_size": 0}),
        (ShiftedWindowMask, {"window_size": 7, "resolution": 14, "shift_size": -1}),
        (ShiftedWindowMask, {"window_size": 7, "resolution": [14], "shift_size": "3"}),
        (RotaryEmbedding, {"base": 0}),
    ],
)
def test_refuses_fields_that_mean_nothing(kind: type[Operator], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(fields)
