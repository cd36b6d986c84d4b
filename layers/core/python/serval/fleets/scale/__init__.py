"""Scaling: observe a fleet every minute, measure its demand, decide about its machines."""
