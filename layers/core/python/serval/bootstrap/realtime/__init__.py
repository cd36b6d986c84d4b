"""Composition roots of realtime inference and descriptions."""
