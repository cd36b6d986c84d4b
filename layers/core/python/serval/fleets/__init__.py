"""Fleets: named pools of machines for heavy models, what they are asked to be and what they are."""
