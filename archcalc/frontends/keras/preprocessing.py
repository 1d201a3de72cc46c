"""Keras' layers that prepare data: what they do at inference."""

from __future__ import annotations

from dataclasses import replace

from archcalc.frontends.keras.layers import Layers, Place, Tensor, Unknown, layer

_RANDOM = ("Brightness", "Contrast", "Flip", "Hue", "Rotation", "Saturation", "Sharpness", "Shear")
_MORE = ("Translation", "Zoom", "Height", "Width", "ColorJitter", "ColorDegeneration", "Grayscale")
_WHOLE = ("GaussianBlur", "Invert", "Posterization", "Perspective", "ElasticTransform", "Erasing")


@layer(*(f"Random{name}" for name in (*_RANDOM, *_MORE, *_WHOLE)))
@layer("AutoContrast", "AugMix", "CutMix", "MixUp", "RandAugment", "Solarization", "Equalization")
def _at_random(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """Nothing is done at inference."""
    return given[0]


@layer("Resizing")
def _resizing(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    c, mode = place.config, place.config.get("interpolation", "bilinear")
    more = {"antialias": True} if c.get("antialias") and mode != "nearest" else {}
    return r.resized(place, r.images(given[0]), [c["height"], c["width"]], mode, **more)


@layer("CenterCrop", "RandomCrop")
def _center_crop(r: Layers, place: Place, given: list[Tensor]) -> Tensor:
    """The middle; of an image that is smaller nothing is said."""
    c, x = place.config, r.images(given[0])
    less = [n - m for n, m in zip(r.shape(x.key)[2:], (c["height"], c["width"]), strict=True)]
    if min(less) < 0:
        raise Unknown
    if not any(less):
        return replace(x)
    pairs = [[n // 2, n - n // 2] for n in less]
    return r.give(place, "Crop", [x], cropping=pairs, moved=not r.plain)
