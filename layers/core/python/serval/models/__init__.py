"""A model as its callers see it: signature, tensors, route, versions, statistics."""
