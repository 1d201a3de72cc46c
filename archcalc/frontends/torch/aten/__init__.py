"""ATen's operators as ours."""
