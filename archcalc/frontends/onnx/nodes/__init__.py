"""ONNX's operators as ours: one table, a line each.

A line is given the node, and says which operator it is, with which fields, what it takes, and which
of the file's tensors are its own. What is not in the table is not counted, and named.
"""

from archcalc.frontends.onnx.nodes import elements as elements
from archcalc.frontends.onnx.nodes import layers as layers
from archcalc.frontends.onnx.nodes import moves as moves
from archcalc.frontends.onnx.nodes import products as products
from archcalc.frontends.onnx.nodes import runtime as runtime
