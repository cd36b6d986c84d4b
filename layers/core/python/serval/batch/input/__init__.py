"""Input of a batch job: find files, read blocks of records, turn them into rows for a model."""
