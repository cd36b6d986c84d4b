"""What ``task:`` in model.yaml may say of tasks that write text."""

from typing import Annotated

from pydantic import Field

from serval.yaml_files import Section


class GenerationOptions(Section):
    """Defaults of requests that say nothing, over those of the model's generation_config.json."""

    max_new_tokens: Annotated[int, Field(ge=1)] | None = None
    """How many tokens are written at most."""
    num_beams: Annotated[int, Field(ge=1, le=64)] | None = None
    """How many texts are followed at once, to find the likeliest; 1 takes the likeliest token."""
    src_lang: str | None = None
    """The language that a translation reads, as the model names it: ``en``, ``en_XX``."""
    tgt_lang: str | None = None
    """The language that it writes."""
