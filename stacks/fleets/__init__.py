"""Fleets: spot machines, their network and roles, queues, and the functions that control them."""
