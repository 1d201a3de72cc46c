"""Graph -> numbers."""
