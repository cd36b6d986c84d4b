"""From parts to one output file and a summary."""
