"""How things look in a terminal; each view takes the value that ``--json`` prints."""
