"""Processes of the laptop stage: started, recorded, ended together."""
