"""Permissions: who asks, what a request needs, what roles are granted and what they use of it."""
