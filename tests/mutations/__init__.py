"""Mutated HTTP events over every route: seeded, so that what fails can be sent again."""
