"""What is published: ``model.yaml``, the manifest, uploads, and whether a bundle can serve."""
