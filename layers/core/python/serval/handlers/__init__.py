"""Custom Python as a model: a handler runs in a process of its own, which may die."""
