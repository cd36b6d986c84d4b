"""Choose a stage and connect to it."""
