"""Machines and tasks in ECS."""
