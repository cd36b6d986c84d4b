"""Patches that close gaps of the emulator, each with a function ``apply``."""
