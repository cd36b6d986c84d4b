"""Commands that call models and look at them."""
