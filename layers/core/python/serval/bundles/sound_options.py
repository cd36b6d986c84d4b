"""What ``task:`` in model.yaml may say of sound."""

from typing import Annotated

from pydantic import Field

from serval.yaml_files import Section

Seconds = Annotated[float, Field(ge=0, le=3600)]


class SoundOptions(Section):
    """How much is heard at once, in which language, and how speech is written."""

    max_seconds: Annotated[float, Field(gt=0)] | None = None
    """The longest sound that is heard; 600 unless given."""
    chunk_length_s: Seconds | None = None
    """Longer sounds are heard in chunks of so many seconds, by a recogniser of letters."""
    stride_length_s: Seconds | Annotated[tuple[Seconds, Seconds], Field(strict=False)] | None = None
    """How much of a chunk is context, at both ends or at each; a sixth unless given."""
    target_lang: str | None = None
    """The language of a vocabulary of several."""
    language: str | None = None
    """The language that Whisper hears, unless it is to find out."""
    return_timestamps: bool | None = None
    """Whether Whisper says when each part was spoken, unless a request says otherwise."""
    sampling_rate: Annotated[int, Field(ge=1)] | None = None
    """How many samples a second of the speech has that the model makes."""
