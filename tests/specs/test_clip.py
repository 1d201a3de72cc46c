"""CLIP's two towers, worked from their sizes."""

from __future__ import annotations

import pytest

import archcalc
from archcalc import SpecError

SIZES = {
    "clip_vit_b_32": (768, 12, 32, 512, 512),
    "clip_vit_b_16": (768, 12, 16, 512, 512),
    "clip_vit_l_14": (1024, 24, 14, 768, 768),
}


@pytest.mark.parametrize("name", SIZES)
def test_params_worked_from_the_sizes(name: str) -> None:
    d, layers, patch, text, shared = SIZES[name]
    tokens = (224 // patch) ** 2 + 1
    visual = 3 * patch * patch * d + d + tokens * d + 4 * d + layers * (12 * d * d + 13 * d)
    textual = (49_408 + 77) * text + 12 * (12 * text * text + 13 * text) + 2 * text
    projections = d * shared + text * shared
    found = archcalc.analyze(archcalc.load(name))
    assert found.params == visual + textual + projections + 1


def test_the_towers_meet_in_one_number() -> None:
    found = archcalc.analyze(archcalc.load("clip_vit_b_32"))
    assert found.row("image_features.div").shape == (1, 512)
    assert found.row("text_features.div").shape == (1, 512)
    assert found.row("logit").shape == (1, 1)


@pytest.mark.parametrize("given", [{"image": [3, 256, 256]}, {"text": [30]}])
def test_its_tables_of_positions_are_of_one_size(given: dict[str, list[int]]) -> None:
    with pytest.raises(SpecError, match="its table of positions is for"):
        archcalc.analyze("clip_vit_b_32", input=given)

    larger = archcalc.analyze("clip_vit_b_32", image_size=256, context_length=30)
    assert larger.row("visual.positional_embedding").params == (8 * 8 + 1) * 768
    assert larger.row("textual.positional_embedding").params == 30 * 512
