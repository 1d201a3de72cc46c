"""Printed tables of layers: reading them, and the network that explains most of each."""
