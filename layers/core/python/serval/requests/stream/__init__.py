"""Streams: async requests that are read while they are written."""
