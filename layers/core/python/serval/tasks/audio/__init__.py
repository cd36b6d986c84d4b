"""Tasks that take or make sound."""
