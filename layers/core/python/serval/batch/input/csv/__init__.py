"""CSV: dialect, header, cuts and records."""
