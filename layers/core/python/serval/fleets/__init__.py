"""Fleets: named pools of machines for heavy models, which wake, scale and sleep."""
