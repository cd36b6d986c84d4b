"""How a job begins: what callers may ask for, and whether they get it."""
