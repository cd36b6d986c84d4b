"""Odd and damaged files of each format, made from seeds, and what becomes of jobs over them."""
