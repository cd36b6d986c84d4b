"""Rollouts: verify an upload, register it, and move the traffic to it step by step or back."""
