"""archcalc: an architecture calculator for neural networks.

``load`` a spec, ``expand`` it to a graph, ``analyze`` that to numbers::

    >>> import archcalc
    >>> archcalc.analyze(archcalc.load("resnet50")).params
    25557032
"""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archcalc.analysis.analyze import Analysis, Row, analyze
    from archcalc.analysis.backward import Backward, backward
    from archcalc.analysis.diff import Diff, diff
    from archcalc.analysis.measured import Machine, Measurement
    from archcalc.analysis.memory import Memory, memory
    from archcalc.analysis.receptive_field import Field, receptive_field
    from archcalc.claims.audit import audit
    from archcalc.claims.check import Finding, check
    from archcalc.claims.compare import Comparison, compare
    from archcalc.claims.finding import Audit
    from archcalc.claims.reconcile import Explanation, reconcile
    from archcalc.claims.savings import Savings, savings
    from archcalc.errors import (
        ArchcalcError,
        ExpressionError,
        Problem,
        ShapeError,
        SpecError,
    )
    from archcalc.operators.base import Operator, Work
    from archcalc.operators.describe import ops
    from archcalc.pytorch.against import Against, against
    from archcalc.pytorch.build import build
    from archcalc.pytorch.crosscheck import Crosscheck, crosscheck
    from archcalc.pytorch.measure import measure
    from archcalc.report.layers.table import table
    from archcalc.report.reasons.explain import explain
    from archcalc.report.specs.export import export
    from archcalc.report.specs.zoo import Network, list
    from archcalc.space.fit import Fit, fit
    from archcalc.space.formula import Formula, formula
    from archcalc.space.sweep import Sweep, sweep
    from archcalc.spec.expand import expand
    from archcalc.spec.fold import fold_batch_norm
    from archcalc.spec.graph import Graph, Node
    from archcalc.spec.model import Spec
    from archcalc.spec.schema import schema
    from archcalc.spec.starter import new
    from archcalc.spec.zoo import load, validate

__version__ = "0.1.0"

_HOMES = {
    "analysis.analyze": ("Analysis", "Row", "analyze"),
    "analysis.backward": ("Backward", "backward"),
    "space.formula": ("Formula", "formula"),
    "analysis.diff": ("Diff", "diff"),
    "analysis.measured": ("Machine", "Measurement"),
    "space.fit": ("Fit", "fit"),
    "analysis.memory": ("Memory", "memory"),
    "analysis.receptive_field": ("Field", "receptive_field"),
    "space.sweep": ("Sweep", "sweep"),
    "claims.audit": ("audit",),
    "claims.check": ("Finding", "check"),
    "claims.compare": ("Comparison", "compare"),
    "claims.finding": ("Audit",),
    "claims.reconcile": ("Explanation", "reconcile"),
    "claims.savings": ("Savings", "savings"),
    "errors": ("ArchcalcError", "ExpressionError", "Problem", "ShapeError", "SpecError"),
    "operators.base": ("Operator", "Work"),
    "operators.describe": ("ops",),
    "pytorch.against": ("Against", "against"),
    "pytorch.build": ("build",),
    "pytorch.crosscheck": ("Crosscheck", "crosscheck"),
    "pytorch.measure": ("measure",),
    "report.reasons.explain": ("explain",),
    "report.specs.export": ("export",),
    "report.layers.table": ("table",),
    "report.specs.zoo": ("Network", "list"),
    "spec.expand": ("expand",),
    "spec.fold": ("fold_batch_norm",),
    "spec.graph": ("Graph", "Node"),
    "spec.model": ("Spec",),
    "spec.schema": ("schema",),
    "spec.starter": ("new",),
    "spec.zoo": ("load", "validate"),
}
"""Module -> the names it gives to the package. They are imported when they are first asked for,
so that a command pays for what it uses; a test holds this against what type checkers see above."""

_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Against",
    "Analysis",
    "ArchcalcError",
    "Audit",
    "Backward",
    "Comparison",
    "Crosscheck",
    "Diff",
    "Explanation",
    "ExpressionError",
    "Field",
    "Finding",
    "Fit",
    "Formula",
    "Graph",
    "Machine",
    "Measurement",
    "Memory",
    "Network",
    "Node",
    "Operator",
    "Problem",
    "Row",
    "Savings",
    "ShapeError",
    "Spec",
    "SpecError",
    "Sweep",
    "Work",
    "__version__",
    "against",
    "analyze",
    "audit",
    "backward",
    "build",
    "check",
    "compare",
    "crosscheck",
    "diff",
    "expand",
    "explain",
    "export",
    "fit",
    "fold_batch_norm",
    "formula",
    "list",
    "load",
    "measure",
    "memory",
    "new",
    "ops",
    "receptive_field",
    "reconcile",
    "savings",
    "schema",
    "sweep",
    "table",
    "validate",
]


if not TYPE_CHECKING:  # to whom any name would be there

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'archcalc' has no attribute '{name}'")
        value = getattr(import_module(f"archcalc.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> Sequence[str]:
    return sorted(__all__)
