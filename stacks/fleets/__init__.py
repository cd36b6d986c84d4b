"""Fleets: machines, network, roles, queues, and the functions that control them."""
