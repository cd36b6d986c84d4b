"""Networks that take tensors: converted to ONNX, and compared with the original."""
