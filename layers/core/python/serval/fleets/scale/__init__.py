"""How many machines a fleet has: measure, decide, act, once a minute."""
