"""The few modules that PyTorch lacks, addressed as ``archcalc.Name`` by an operator's ``Call``.

Each names its parameters and buffers as the operator does.
"""
# ruff: noqa: F403  (a file is for what is used together; who calls one of them need not know which)

from archcalc.pytorch.modules import (
    attention,
    called,
    computed,
    joining,
    moving,
    padding,
    pooling,
    recurrent,
    scaled,
    stored,
)
from archcalc.pytorch.modules.attention import *
from archcalc.pytorch.modules.called import *
from archcalc.pytorch.modules.computed import *
from archcalc.pytorch.modules.joining import *
from archcalc.pytorch.modules.moving import *
from archcalc.pytorch.modules.padding import *
from archcalc.pytorch.modules.pooling import *
from archcalc.pytorch.modules.recurrent import *
from archcalc.pytorch.modules.scaled import *
from archcalc.pytorch.modules.stored import *

FILES = (called, padding, pooling, moving, joining, recurrent, stored, attention, scaled, computed)
"""In an order in which each needs those before it alone."""
