"""The execution environments of functions, and the limits that end them."""
