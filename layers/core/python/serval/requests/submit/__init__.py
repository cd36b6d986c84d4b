"""Submitting: from what a caller sends to a row, a message and a woken fleet."""
