"""PyTorch modules as graphs: captured by torch.export, told operation by operation."""
