"""Who calls: API keys, how callers prove who they are, and what they may do."""
