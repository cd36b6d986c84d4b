"""Shared by all stacks: the stage's context, models, layers, functions, grants and limits."""
