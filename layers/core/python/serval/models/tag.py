"""What ids of requests and of batch jobs have of their model, always at the same place.

Policies know rows and objects by their keys alone, and a key has nothing but the id in it: by the
tag, a role is granted what is of its own models.
"""

import hashlib

PLACE = 16
"""How many characters come before the tag: those of a second, or of a hash."""
DIGITS = 10


def model_tag(model: str) -> str:
    """Give the digits that stand for a model."""
    return hashlib.sha256(model.encode()).hexdigest()[:DIGITS]


def tagged(bare: str, model: str) -> str:
    """Put a model's tag into an id."""
    return f"{bare[:PLACE]}{model_tag(model)}{bare[PLACE:]}"


def untagged(tagged_id: str) -> str:
    """Take the tag out of an id: an earlier Serval gave the same thing this one."""
    return tagged_id[:PLACE] + tagged_id[PLACE + DIGITS :]


def has_tag(tagged_id: str, model: str) -> bool:
    """Tell whether an id has the tag of a model."""
    return tagged_id[PLACE : PLACE + DIGITS] == model_tag(model)


def ids_of(model: str) -> str:
    """Give the pattern of the ids of a model, as policies of IAM have patterns."""
    return f"{'?' * PLACE}{model_tag(model)}*"
