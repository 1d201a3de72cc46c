"""What it takes to run a network."""
