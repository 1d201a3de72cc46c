"""Many configurations of a network: sweeps, closed forms, the fit to a budget."""
