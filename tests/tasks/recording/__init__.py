"""Records what transformers' own pipelines answer, with small models of fixed seeds."""
