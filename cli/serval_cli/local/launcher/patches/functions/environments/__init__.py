"""The execution environments of functions: what they use, and what ends them."""
