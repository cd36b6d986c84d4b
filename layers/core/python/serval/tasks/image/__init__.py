"""Tasks that take images."""
