"""``serval local``: the stage on this machine."""
