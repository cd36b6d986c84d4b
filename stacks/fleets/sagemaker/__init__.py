"""Fleets of kind ``sagemaker``: async endpoints, their scaling and their role."""
