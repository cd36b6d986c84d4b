"""Commands for stages: deploy, choose one, keys, functions."""
