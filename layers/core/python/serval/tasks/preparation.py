"""Texts that are prepared before a model writes after them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from serval.errors import UnsupportedFeature

if TYPE_CHECKING:  # callers of models elsewhere have no tokenizer
    from serval.tasks.generation.text_generation import TextGeneration
    from serval.tasks.parameters import Parameters

Messages = Sequence[Mapping[str, str]]
"""Of a chat, each with ``role`` and ``content``."""


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A prompt, and what is not the caller's to choose."""

    text: str
    parameters: Mapping[str, Any]
    """They stand in the place of the caller's."""


@dataclass(frozen=True, slots=True)
class PreparedTexts:
    """What a model is to write after, one for each text that was asked for."""

    writer: "TextGeneration"
    prepared: Sequence[PreparedText]

    @property
    def texts(self) -> list[str]:
        """The prompts."""
        return [each.text for each in self.prepared]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What stands in the place of the caller's parameters, for all texts.

        Raises
        ------
        UnsupportedFeature
            If that differs from text to text.
        """
        first = self.prepared[0].parameters
        if any(each.parameters != first for each in self.prepared):
            raise UnsupportedFeature(
                f"{len(self.prepared)} prompts given, one expected: the pipeline chooses other "
                "parameters for each"
            )
        return first


@runtime_checkable
class PreparesTexts(Protocol):
    """A task that prepares texts, after which another one writes."""

    def prepare(
        self, texts: Sequence[Any], parameters: "Parameters", messages: Messages = ()
    ) -> AbstractContextManager[PreparedTexts]:
        """Prepare texts; what is raised within is raised as this task's error.

        Parameters
        ----------
        messages
            The chat whose last message of the user is the text; of other calls there are none.

        Raises
        ------
        InvalidRequest
            If a text or a parameter is wrong.
        """
