"""ONNX files as graphs: shapes from the file or from its operators' inference, weights not read."""
