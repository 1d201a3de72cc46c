"""Values between the elements of a map, at positions that are computed."""

from math import prod
from typing import Literal, final

from archcalc.dims import Shape, Size, divides, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import WEIGHTS, Multiplying, Product
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    OfImage,
    OfImageNatural,
    Spelled,
    Weightless,
    Work,
    describe,
    elements,
    require_rank,
)
from archcalc.operators.conv import require_groups
from archcalc.operators.parametrization import Parametrization, Parametrized
from archcalc.operators.taps import Scattering
from archcalc.operators.window import slide


@final
class GridSample(Weightless, Scattering, Spelled):
    """Samples a map (N, C, H, W) at positions (N, Ho, Wo, 2): (N, C, Ho, Wo).

    As ``torch.nn.functional.grid_sample``; a volume (N, C, D, H, W) likewise, at positions
    (N, Do, Ho, Wo, 3). A value of ``bilinear`` mode is the weighted sum of the 4 elements around
    it, 8 in a volume, of ``bicubic`` of 16: so many multiplies, and one add less. Each position
    costs 2 multiplies and 2 adds to find its place, 3 in a volume. Of ``bilinear`` its fractions
    and their complements are 4 adds, or 6, and its weights 4 multiplies, or 2 for each of 8; of
    ``bicubic`` its 8 polynomials are 3 multiplies and 3 adds each, and its weights 16 multiplies;
    ``nearest`` rounds, 2 comparisons or 3.
    """

    arity = (2, 2)
    takes = ("input", "grid")

    mode: Literal["bilinear", "nearest", "bicubic"] = "bilinear"
    """How values between elements are found."""
    padding_mode: Literal["zeros", "border", "reflection"] = "zeros"
    """What there is beyond the map; it changes no count."""
    align_corners: bool = False
    """Whether -1 and 1 are the centres of the corners or their ends; it changes no count."""

    target = "F.grid_sample"
    examples = (
        Example({}, ((2, 8, 10, 9), (2, 5, 6, 2))),
        Example({"mode": "nearest"}, ((2, 8, 10, 9), (2, 5, 6, 2))),
        Example({"mode": "bicubic", "align_corners": True}, ((2, 8, 10, 9), (2, 5, 6, 2))),
        Example({}, ((2, 8, 4, 5, 6), (2, 3, 2, 5, 3))),
    )

    def infer(self, *inputs: Shape) -> Shape:
        x, grid = inputs
        if len(x) == 5:
            require_rank(grid, 5, "of positions (N, D, H, W, 3)")
        else:
            require_rank(x, 4, "(N, C, H, W) or (N, C, D, H, W)")
            require_rank(grid, 4, "of positions (N, H, W, 2)")
        if not same(x[0], grid[0]) or not same(grid[-1], len(x) - 2):
            raise ShapeError(f"positions {describe(grid)} do not fit {describe(x)}")
        if len(x) == 5 and self.mode == "bicubic":
            raise ShapeError(f"bicubic mode is of maps (N, C, H, W), not of {describe(x)}")
        return (*x[:2], *grid[1:-1])

    def work(self, output: Shape, *inputs: Shape) -> Work:
        axes = len(output) - 2
        around = 2**axes
        out, positions = elements(output), elements(inputs[1][:-1])
        found = Work(multiplies=axes * positions, adds=axes * positions)
        if self.mode == "nearest":
            return found + Work(comparisons=axes * positions)
        if self.mode == "bilinear":
            each = around * (axes - 1)
            weights = Work(multiplies=each * positions, adds=2 * axes * positions)
            return found + weights + Work(multiplies=around * out, adds=(around - 1) * out)
        weights = Work(multiplies=(24 + 16) * positions, adds=24 * positions)
        return found + weights + Work(multiplies=16 * out, adds=15 * out)


@final
class DeformConv2d(Parametrized, Scattering, Multiplying):
    """A convolution that looks beside its positions, as ``torchvision.ops.DeformConv2d``.

    Its second input holds how far, in rows and columns, for every element of the kernel and output
    position: (N, 2 g kh kw, Ho, Wo), of which each of g groups of channels has its own. A third,
    (N, g kh kw, Ho, Wo), weighs what is seen (Zhu et al. 2019).

    Its products are those of the convolution. For each output position and element of the kernel,
    besides, every channel is 4 multiplies and 3 adds of a bilinear value, and 1 multiply of a third
    input, and every group 6 adds and 4 multiplies for the place and its weights.
    """

    arity = (2, 3)
    takes = ("input", "offset", "mask")

    out_channels: Count
    """How many kernels there are, and so channels of the output."""
    kernel_size: OfImage
    """Extent of the kernel."""
    stride: OfImage = 1
    """Distance from one position of the kernel to the next."""
    padding: OfImageNatural = 0
    """What is added at both ends of every axis."""
    dilation: OfImage = 1
    """Distance between the elements of the kernel."""
    groups: Count = 1
    """How many groups the channels are shared out to; a kernel sees those of its group only."""
    bias: bool = True
    """Whether a trained number is added to every channel."""
    parametrization: Parametrization = None
    """What the weight is computed by, of other tensors that are stored instead: ``weight_norm`` or
    ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    examples = (
        Example({"out_channels": 6, "kernel_size": 3, "padding": 1}, ((2, 4, 9, 8), (2, 18, 9, 8))),
        Example(
            {"out_channels": 6, "kernel_size": 3, "groups": 2, "bias": False},
            ((2, 4, 9, 8), (2, 36, 7, 6), (2, 18, 7, 6)),
        ),
        Example(
            {"out_channels": 6, "kernel_size": 3, "padding": 1, "parametrization": "weight_norm"},
            ((2, 4, 9, 8), (2, 18, 9, 8)),
        ),
        Example(
            {"out_channels": 6, "kernel_size": 3, "padding": 1, "parametrization": "spectral_norm"},
            ((2, 4, 9, 8), (2, 18, 9, 8)),
        ),
    )

    def infer(self, *inputs: Shape) -> Shape:
        x, offset, *masks = inputs
        require_rank(x, 4, "(N, C, H, W)")
        require_groups(self.groups, in_channels=x[1], out_channels=self.out_channels)
        axes = zip(x[2:], self.kernel_size, self.stride, self.dilation, self.padding, strict=True)
        extents = tuple(slide(n, k, s, d, (p, p)) for n, k, s, d, p in axes)
        window = prod(self.kernel_size)
        require_rank(offset, 4, "of offsets (N, 2 g kh kw, H, W)")
        for name, given, each in (
            ("offsets", offset, 2 * window),
            *(("weights", mask, window) for mask in masks),
        ):
            fits = len(given) == 4 and same(given[0], x[0]) and all(map(same, given[2:], extents))
            if not fits:
                raise ShapeError(
                    f"{name} {describe(given)} do not fit an output of {describe(extents)}"
                )
            if not divides(each, given[1]):
                raise ShapeError(f"{name} need a multiple of {each} channels, not {given[1]}")
        shared = offset[1] // (2 * window)
        if not divides(shared, x[1]):
            raise ShapeError(f"{shared} groups of offsets do not divide in_channels={x[1]}")
        if masks and not same(masks[0][1], shared * window):
            raise ShapeError(f"offsets have {shared} groups, weights {masks[0][1] // window}")
        return (x[0], self.out_channels, *extents)

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        weight = (self.out_channels, inputs[0][1] // self.groups, *self.kernel_size)
        bias = {"bias": (self.out_channels,)} if self.bias else {}
        return {"weight": weight, **bias}

    def _macs(self, output: Shape, *inputs: Shape) -> Size:
        return elements(output) * (inputs[0][1] // self.groups) * prod(self.kernel_size)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        x, offset, *masks = inputs
        out, window = elements(output), prod(self.kernel_size)
        places = output[0] * output[2] * output[3] * window
        groups = offset[1] // (2 * window)
        seen: Work = Work(multiplies=5 if masks else 4, adds=3) * (places * x[1])
        placed: Work = Work(multiplies=4, adds=6) * (places * groups)
        products = Work(macs=self._macs(output, *inputs), adds=out if self.bias else 0, dots=out)
        return products + seen + placed

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """The kernel with what is seen, which follows from all inputs."""
        return (Product(self._macs(output, *inputs), ((WEIGHTS,), tuple(range(len(inputs))))),)

    def torch(self, *inputs: Shape) -> Call:
        fields = {"in_channels": inputs[0][1], **self.told}
        return Call("archcalc.DeformConv2d", fields, parametrization=self.parametrization)
