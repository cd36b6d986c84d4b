"""The tag of a model inside the ids of its requests and batch jobs, always at the same place.

IAM policies see rows and objects only by their keys, which contain the id. The tag lets a policy
grant a role the rows and objects of its own models alone.
"""

import hashlib

PLACE = 16
"""The number of characters before the tag, which are those of a second or of a hash."""
DIGITS = 10


def model_tag(model: str) -> str:
    """Return the tag of a model."""
    return hashlib.sha256(model.encode()).hexdigest()[:DIGITS]


def add_tag(bare: str, model: str) -> str:
    """Insert a model's tag into an id."""
    return f"{bare[:PLACE]}{model_tag(model)}{bare[PLACE:]}"


def remove_tag(tagged_id: str) -> str:
    """Remove the tag from an id, which gives the id that earlier versions of Serval used."""
    return tagged_id[:PLACE] + tagged_id[PLACE + DIGITS :]


def id_pattern(model: str) -> str:
    """Return a pattern of IAM that matches a model's ids."""
    return f"{'?' * PLACE}{model_tag(model)}*"
