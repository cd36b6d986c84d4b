"""Tasks that take rows of a table."""
