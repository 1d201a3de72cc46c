"""Weights that are computed of other tensors, as by ``torch.nn.utils.parametrizations``."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from archcalc.dims import Shape, Size
from archcalc.operators.base import Operator, elements

Parametrization: TypeAlias = Literal["weight_norm", "spectral_norm"] | None
"""How PyTorch calls what a weight is computed by; None for one that is stored itself."""

ConvParametrization: TypeAlias = (
    Parametrization | Literal["weight_standardization", "scaled_weight_standardization"]
)
"""Those of convolutions, of which PyTorch has not all."""

STANDARDIZATIONS = ("weight_standardization", "scaled_weight_standardization")
"""Those that are functions of ``archcalc.pytorch.modules``."""

ORIGINAL = "parametrizations.weight.original"


class Parametrized(Operator):
    """An operator whose weight may be computed of other tensors, which are stored instead of it.

    ``weight_norm`` (Salimans & Kingma 2016, arXiv:1602.07868) stores a length for each index of
    the first axis, ``original0``, and a tensor of directions, ``original1``. The older
    ``torch.nn.utils.weight_norm`` calls them ``weight_g`` and ``weight_v``. ``spectral_norm``
    (Miyato et al. 2018, arXiv:1802.05957) stores the weight, and two vectors as buffers, with
    which its largest singular value is estimated. ``weight_standardization`` (Qiao et al. 2019,
    arXiv:1903.10520) stores the weight; ``scaled_weight_standardization`` (Brock et al. 2021,
    arXiv:2101.08692) besides it a gain for each index of the first axis.
    """

    if TYPE_CHECKING:  # a field of the operators, behind their own
        parametrization: ConvParametrization

    matrix_dim: ClassVar[int] = 0
    """Which axis of the weight are the rows of the matrix whose singular value is meant."""

    @abstractmethod
    def kernel(self, *inputs: Shape) -> Shape:
        """The shape of the weight."""

    def originals(self, *inputs: Shape) -> dict[str, Shape]:
        """The trained tensors that the weight is or is computed of."""
        kernel = self.kernel(*inputs)
        lengths = (kernel[0], *(1 for _ in kernel[1:]))
        if self.parametrization == "weight_norm":
            return {f"{ORIGINAL}0": lengths, f"{ORIGINAL}1": kernel}
        if self.parametrization == "scaled_weight_standardization":
            return {ORIGINAL: kernel, "parametrizations.weight.0.gain": lengths}
        return {"weight" if self.parametrization is None else ORIGINAL: kernel}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        if self.parametrization != "spectral_norm":
            return {}
        rows, columns = self._matrix(*inputs)
        return {
            "parametrizations.weight.0._u": (rows,),
            "parametrizations.weight.0._v": (columns,),
        }

    def kept_of_weight(self, *inputs: Shape) -> tuple[Size, ...]:
        """Numbers of tensors that are kept for the gradient of what the weight is computed of.

        Of weight_norm the norms; of spectral_norm both vectors and the singular value; of a
        standardization the means and deviations, and the scaled gain.
        """
        if self.parametrization == "weight_norm":
            return (self.kernel(*inputs)[0],)
        if self.parametrization == "spectral_norm":
            rows, columns = self._matrix(*inputs)
            return rows, columns, 1
        if self.parametrization in STANDARDIZATIONS:
            kernels = self.kernel(*inputs)[0]
            scaled = self.parametrization == "scaled_weight_standardization"
            return (kernels,) * (3 if scaled else 2)
        return ()

    def _matrix(self, *inputs: Shape) -> tuple[Size, Size]:
        kernel = self.kernel(*inputs)
        rows = kernel[self.matrix_dim]
        return rows, elements(kernel) // rows
