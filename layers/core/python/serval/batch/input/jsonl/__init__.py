"""JSONL and JSON arrays: lines, members and records."""
