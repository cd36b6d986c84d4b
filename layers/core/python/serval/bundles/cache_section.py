"""``cache:`` of ``model.yaml``, and of a step in ``pipeline.yaml``: answers that are kept."""

from typing import Annotated

from pydantic import Field

from serval.bundles.runtime_section import Runtime
from serval.yaml_files import Section

LONGEST_CACHE_SECONDS = 30 * 86_400


class CacheSection(Section):
    """Answers that are kept, and given again to whoever asks the same of the same version."""

    ttl_seconds: Annotated[int, Field(ge=1, le=LONGEST_CACHE_SECONDS)]
    """How old an answer may be."""


def cache_mistake(runtime: Runtime, *, on_fleet: bool) -> str | None:
    """Return why a bundle's answers cannot be kept, if they cannot."""
    if runtime.kind == "python":
        return "'cache' is for graphs: a handler's answers may depend on more than its inputs"
    if on_fleet:
        return (
            "'cache' is for models on Lambda: a model on a fleet answers async requests, each "
            "with a result of its own; a step of a pipeline that asks it may have a 'cache'"
        )
    return None
