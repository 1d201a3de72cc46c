"""Weights that are computed of other tensors, as by ``torch.nn.utils.parametrizations``."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

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
    """Which axis of a weight are the rows of the matrix whose singular value is meant."""

    @property
    def told(self) -> dict[str, Any]:
        """What PyTorch's module is told besides the sizes of its inputs: all its other fields."""
        return {name: value for name, value in self if name != "parametrization"}

    @abstractmethod
    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        """The trained tensors by PyTorch's names, each weight stored itself."""

    def kernels(self, *inputs: Shape) -> dict[str, Shape]:
        """Those of them that are computed where there is a parametrization: all but biases."""
        return {
            name: shape
            for name, shape in self.tensors(*inputs).items()
            if "weight" in name.rpartition(".")[2]
        }

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        tensors = self.tensors(*inputs)
        if self.parametrization is None:
            return tensors
        kernels = self.kernels(*inputs)
        stored: dict[str, Shape] = {}
        for name, shape in tensors.items():
            stored |= self._originals(name, shape) if name in kernels else {name: shape}
        return stored

    def _originals(self, name: str, kernel: Shape) -> dict[str, Shape]:
        """The trained tensors that a weight is computed of."""
        home = _home(name)
        lengths = (kernel[0], *(1 for _ in kernel[1:]))
        if self.parametrization == "weight_norm":
            return {f"{home}.original0": lengths, f"{home}.original1": kernel}
        if self.parametrization == "scaled_weight_standardization":
            return {f"{home}.original": kernel, f"{home}.0.gain": lengths}
        return {f"{home}.original": kernel}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        if self.parametrization != "spectral_norm":
            return {}
        stored: dict[str, Shape] = {}
        for name, kernel in self.kernels(*inputs).items():
            rows, columns = self._matrix(kernel)
            stored |= {f"{_home(name)}.0._u": (rows,), f"{_home(name)}.0._v": (columns,)}
        return stored

    def kept_of(self, kernel: Shape) -> tuple[Size, ...]:
        """Numbers of tensors that are kept for the gradient of what a weight is computed of.

        Of weight_norm the norms; of spectral_norm both vectors and the singular value; of a
        standardization the means and deviations, and the scaled gain.
        """
        if self.parametrization == "weight_norm":
            return (kernel[0],)
        if self.parametrization == "spectral_norm":
            return (*self._matrix(kernel), 1)
        if self.parametrization in STANDARDIZATIONS:
            scaled = self.parametrization == "scaled_weight_standardization"
            return (kernel[0],) * (3 if scaled else 2)
        return ()

    def _matrix(self, kernel: Shape) -> tuple[Size, Size]:
        rows = kernel[self.matrix_dim]
        return rows, elements(kernel) // rows


def _home(name: str) -> str:
    """Where PyTorch stores what a weight is computed of."""
    owner, dot, own = name.rpartition(".")
    return f"{owner}{dot}parametrizations.{own}"
