"""From a request to an answer: load a version, run it, keep what is loaded."""
