"""Key attributes of tables."""

from aws_cdk.aws_dynamodb import Attribute, AttributeType


def text_attribute(name: str) -> Attribute:
    """Return an attribute that holds text."""
    return Attribute(name=name, type=AttributeType.STRING)
