"""The protocols of realtime inference: one module reads a call of each and writes its answer."""
