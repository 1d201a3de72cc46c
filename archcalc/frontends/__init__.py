"""Models that others wrote, read as graphs: a frontend each."""
