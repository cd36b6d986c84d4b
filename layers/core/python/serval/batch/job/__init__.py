"""A batch job: its rows, its keys, its options, its states and its end."""
