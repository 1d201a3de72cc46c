"""Networks that were run in PyTorch."""
