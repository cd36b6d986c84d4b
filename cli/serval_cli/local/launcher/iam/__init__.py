"""Check permissions, and record what roles are granted, use and are refused."""
