"""The program that runs the AWS emulator with its gaps closed.

It runs in the emulator's environment, so it imports nothing that the emulator lacks.
"""
