"""Bundles: ``model.yaml``, the manifest, uploads, and the checks before a bundle can serve."""
