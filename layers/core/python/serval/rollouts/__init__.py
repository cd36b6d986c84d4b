"""Rollouts: how a verified version takes traffic step by step, or backs out by itself."""
