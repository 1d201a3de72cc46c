"""ONNX's operators as ours."""
