"""Bundles on disk: made, checked, given golden requests, uploaded."""
