"""Which stage a command works on, and how it reaches it."""
