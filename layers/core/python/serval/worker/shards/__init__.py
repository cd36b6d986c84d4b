"""Shards of batch jobs, in a process of their own."""
