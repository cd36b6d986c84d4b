"""Batch jobs: inference over a file or a prefix in S3, cut into shards."""
