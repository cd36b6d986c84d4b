"""The Open Inference Protocol V2 on the wire: JSON and binary tensors."""
