"""One shard: read its rows, run the model, write its part."""
