"""Stages that hypothesis drives: deaths between any two writes, and two actors at once."""
