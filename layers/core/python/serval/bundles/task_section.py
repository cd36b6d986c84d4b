"""``task:`` in model.yaml: what a model does with what people have."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from serval.bundles.event_options import EventOptions
from serval.bundles.generation_options import GenerationOptions
from serval.bundles.image_options import ImageOptions
from serval.bundles.sound_options import SoundOptions
from serval.models.task_signature import ANSWERS_IN_FILES, LABELLING
from serval.tasks.catalogue import TASKS
from serval.yaml_files import Section


def check_task(name: str) -> str:
    """Refuse a task that Serval does not know."""
    if name not in TASKS:
        raise ValueError(f"expected one of {', '.join(sorted(TASKS))}")
    return name


def expand_task(value: Any) -> Any:
    """Expand a task that is only named."""
    return {"name": value} if isinstance(value, str) else value


TaskName = Annotated[str, AfterValidator(check_task), WithJsonSchema({"enum": sorted(TASKS)})]


class TaskSection(ImageOptions, SoundOptions, GenerationOptions):
    """What a model does with what people have; ``task: NAME`` is short for ``task: {name: NAME}``.

    Every key but ``name`` overrides what the model's own files say.
    """

    name: TaskName
    """The task, as the Hugging Face hub names it."""
    # Not strict: what BeforeValidator has seen is no JSON any more, and has lists for tuples.
    labels: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    """The names of the classes, in the order of the graph's output."""
    truncation: bool = True
    """Whether text that is longer than the model takes is cut; otherwise it is refused."""
    max_length: Annotated[int, Field(ge=1)] | None = None
    """The longest text, in tokens."""
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = None
    """What turns logits into scores."""
    aggregation_strategy: Literal["none", "simple", "first", "average", "max"] | None = None
    """How tokens become entities, unless a request says otherwise."""
    pooling: (
        Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"] | None
    ) = None
    """How the embeddings of tokens become one of the text."""
    normalize: bool | None = None
    """Whether embeddings get the length 1."""
    imputed: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    """Columns of text whose missing values the model fills in; they reach it as empty text."""
    events: EventOptions | None = None
    """Answers of batch jobs that become events."""

    @model_validator(mode="after")
    def _check_events(self) -> Self:
        if self.events is not None and self.name not in LABELLING:
            raise ValueError(f"'events' is for tasks that give labels: {', '.join(LABELLING)}")
        return self


class PipelineTaskSection(Section):
    """The task of which a pipeline is a model; ``task: NAME`` is short for ``{name: NAME}``."""

    name: TaskName
    """The task, as the Hugging Face hub names it."""
    sampling_rate: Annotated[int, Field(ge=1)] | None = None
    """How many samples a second of the waveform has; of ``text-to-speech``, which needs it."""

    @model_validator(mode="after")
    def _check_rate(self) -> Self:
        speaks = self.name in ANSWERS_IN_FILES
        if speaks and self.sampling_rate is None:
            raise ValueError(f"{self.name} needs 'sampling_rate': {{name: {self.name}, …}}")
        if not speaks and self.sampling_rate is not None:
            raise ValueError("'sampling_rate' is for text-to-speech")
        return self
