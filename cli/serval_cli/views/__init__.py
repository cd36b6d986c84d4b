"""Render the values that ``--json`` prints for people at a terminal."""
