"""Records of a batch job's input: from the bytes of a shard to rows that a model takes."""
