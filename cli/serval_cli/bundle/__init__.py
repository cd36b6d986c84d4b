"""Bundles on disk: create, check and upload them."""
