"""The canary policy: read it, find the window, measure both versions, decide."""
