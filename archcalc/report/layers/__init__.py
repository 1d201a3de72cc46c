"""A network's layers as a table, and two networks' as a difference."""
