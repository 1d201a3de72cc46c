"""A spec to begin with."""

from __future__ import annotations

import re

from archcalc.errors import Problem, SpecError
from archcalc.spec.fields import NAME
from archcalc.spec.form import form_of

_TEMPLATE = """\
# yaml-language-server: $schema=spec.schema.json
# 'archcalc schema -o spec.schema.json' makes the file named above: an editor then completes
# and checks what you write. 'archcalc validate' and 'archcalc table' take this file's name.

name: "{name}"
title: A small residual network
input: [3, 32, 32]  # channels, height, width; the batch is not written

# Change one without touching the file: --set width=32
vars: {{width: 16, classes: 10}}

# Networks of one family differ in their variables only.
# variants:
#   {name}-wide: {{width: 32}}

blocks:
  # Layers under one name, to be used again. An argument without a default must be given.
  residual:
    args: channels
    layers:
      conv1: {{op: Conv2d, out_channels: =channels, kernel_size: 3, padding: 1, bias: false}}
      bn1: BatchNorm2d  # an operator without fields is written short
      relu1: ReLU
      conv2: {{op: Conv2d, out_channels: =channels, kernel_size: 3, padding: 1, bias: false}}
      bn2: BatchNorm2d
      # 'input' is the block's own.
      add: {{op: Add, from: [bn2, input]}}
      relu2: ReLU

# Each takes the output of the one before, unless 'from' names another.
layers:
  conv: {{op: Conv2d, out_channels: =width, kernel_size: 3, padding: 1}}
  relu: ReLU
  stage1: {{block: residual, repeat: 2, channels: =width}}
  down: {{op: Conv2d, out_channels: =2 * width, kernel_size: 2, stride: 2}}
  stage2: {{block: residual, repeat: 2, channels: =channels(down)}}
  avgpool: {{op: AdaptiveAvgPool2d, output_size: 1}}
  flatten: Flatten
  fc: {{op: Linear, out_features: =classes}}

# What others printed of this network, and where:
# documented:
#   - {{quantity: params, value: 49.3k, source: "our report, table 1"}}
# What it must not exceed:
# budget:
#   - {{quantity: macs, at_most: 20M}}
"""


def new(name: str) -> str:
    """A small, commented spec of this name, valid as it is, that shows the language.

    Raises :class:`SpecError` for a name that a network can't have.

    ::

        >>> import archcalc
        >>> "name: mine" in archcalc.new("mine")
        True
    """
    if not re.fullmatch(NAME, name) or name.endswith("\n"):
        hint = "a name has letters, digits, _ and -, and begins with a letter or _"
        raise SpecError([Problem(repr(name), 0, 0, (), "is no name for a network", hint)])
    return form_of(_TEMPLATE.format(name=name), f"{name}.yaml")
