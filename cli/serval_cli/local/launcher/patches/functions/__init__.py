"""Patches to how the emulator runs functions."""
