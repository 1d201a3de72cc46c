"""archcalc: an architecture calculator for neural networks."""
