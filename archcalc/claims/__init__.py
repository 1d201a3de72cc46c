"""Documented numbers: what they say, and whether the networks agree."""
