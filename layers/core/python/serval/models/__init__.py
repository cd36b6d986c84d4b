"""What a model is to its callers: signature, tensors, route, versions, statistics."""
