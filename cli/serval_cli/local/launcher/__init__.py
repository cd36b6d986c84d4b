"""The program that runs the AWS emulator with its gaps closed.

It runs in the emulator's own environment, so nothing here imports more than the emulator.
"""
