"""Normalization by statistics: of the training set, of the batch, or of a group of elements.

Statistics taken from the input are counted by :func:`standardize`; running ones by
:func:`rescale`.
"""

from typing import Annotated

from pydantic import Field

from archcalc.dims import Size
from archcalc.operators.base import Work

Epsilon = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def standardize(groups: Size, m: Size, centred: bool = True) -> Work:
    """Work of ``(x - mean) / sqrt(variance + eps)`` on groups of ``m`` elements each.

    The mean is ``m - 1`` adds and 1 division; centring ``m`` adds; the variance ``m`` multiplies,
    ``m - 1`` adds and 1 division; then 1 add (eps), 1 transcendental (the square root),
    1 division (its reciprocal) and ``m`` multiplies by that. Without centring the mean is taken
    as 0 and the variance is the mean square.
    """
    mean = Work(adds=(m - 1) + m, divisions=1) if centred else Work()
    variance = Work(multiplies=m, adds=m - 1, divisions=1)
    scale = Work(adds=1, transcendentals=1, divisions=1, multiplies=m)
    work: Work = (mean + variance + scale) * groups
    return work


def rescale(channels: Size, count: Size, affine: bool) -> Work:
    """Work of ``x * scale + shift`` on ``count`` elements, with scale and shift of each channel.

    ``scale = weight / sqrt(running_var + eps)`` is 1 add, 1 transcendental and 1 division;
    ``shift = bias - running_mean * scale`` 1 multiply and 1 add, which falls away without affine.
    """
    constants = Work(adds=2 if affine else 1, transcendentals=1, divisions=1, multiplies=1)
    work: Work = constants * channels + Work(multiplies=count, adds=count)
    return work


def affinity(count: Size, bias: bool = True) -> Work:
    """Work of ``x * weight + bias`` on ``count`` elements."""
    return Work(multiplies=count, adds=count if bias else 0)
