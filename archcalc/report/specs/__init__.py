"""Specs: the shipped ones as a list, their problems, and networks written as specs."""
