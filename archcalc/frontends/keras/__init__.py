"""Keras' models."""

from archcalc.frontends.keras import attention as attention
from archcalc.frontends.keras import operations as operations
from archcalc.frontends.keras import plain as plain
from archcalc.frontends.keras import preprocessing as preprocessing
from archcalc.frontends.keras import steps as steps
from archcalc.frontends.keras import weighty as weighty
from archcalc.frontends.keras import windows as windows
