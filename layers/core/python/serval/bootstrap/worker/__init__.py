"""Composition roots of the fleet worker and its shard process."""
