"""Commands for stages: deploy and choose them, manage keys, invoke functions."""
