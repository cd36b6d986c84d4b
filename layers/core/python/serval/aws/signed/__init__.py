"""AWS without an SDK: signed requests of the standard library, for ``infer``."""
