"""Gaps in how the emulator runs functions."""
