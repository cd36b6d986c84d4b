"""Streams of a worker: texts that are read while they are written."""
