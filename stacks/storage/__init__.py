"""What outlives every deploy: buckets and tables."""
