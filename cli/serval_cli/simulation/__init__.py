"""The simulation: a fleet of spot machines under a trace of requests, by the real decisions."""
