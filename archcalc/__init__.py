"""archcalc: an architecture calculator for neural networks.

``load`` a spec, ``expand`` it to a graph, ``analyze`` that to numbers::

    >>> import archcalc
    >>> archcalc.analyze(archcalc.load("resnet50")).params
    25557032
"""

from archcalc.analysis.analyze import Analysis, Row, analyze
from archcalc.errors import (
    ArchcalcError,
    ExpressionError,
    Problem,
    ShapeError,
    SpecError,
)
from archcalc.operators.base import Operator, Work
from archcalc.operators.describe import ops
from archcalc.report.table import table
from archcalc.report.zoo import Network, list
from archcalc.spec.expand import expand
from archcalc.spec.graph import Graph, Node
from archcalc.spec.model import Spec
from archcalc.spec.schema import schema
from archcalc.spec.starter import new
from archcalc.spec.zoo import load, validate

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "ArchcalcError",
    "ExpressionError",
    "Graph",
    "Network",
    "Node",
    "Operator",
    "Problem",
    "Row",
    "ShapeError",
    "Spec",
    "SpecError",
    "Work",
    "__version__",
    "analyze",
    "expand",
    "list",
    "load",
    "new",
    "ops",
    "schema",
    "table",
    "validate",
]
