"""The embedded platform: Serval's real stacks, on the laptop."""
