"""What ``task:`` in model.yaml may say of events about answers."""

from typing import Annotated

from pydantic import Field

from serval.yaml_files import Section


class EventOptions(Section):
    """Which answers of batch jobs become events ``serval.detection`` on the default bus."""

    over: Annotated[float, Field(ge=0, le=1)]
    """The score that an answer must exceed."""
    labels: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    """The labels that become events; all of the model's unless given."""
