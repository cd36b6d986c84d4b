"""Commands that call models or describe them."""
