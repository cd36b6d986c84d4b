"""How a recogniser of many languages is told what to write: tokens before the text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.errors import InvalidParameter
from serval.foreign import refusing
from serval.models.tensor import Array
from serval.tasks.files import TaskUnreadable

CONFIG = "generation_config.json"
TRANSCRIBE = "transcribe"


@dataclass(frozen=True, slots=True)
class SpokenPrompt:
    """What generation_config.json says of languages and tasks.

    A text begins with the start token, that of its language, that of the task, and one that says
    that there are no times: Radford et al. (2022), section 2.3 and figure 1.
    """

    start: int
    languages: Mapping[str, int]
    """Such as ``<|en|>``, with their tokens; empty: the model has one language."""
    tasks: Mapping[str, int]
    """``transcribe`` and ``translate``."""
    no_times: int | None
    forced: tuple[int | None, ...]
    """What older configs put after the start token; None: a language that is to be found out."""

    @classmethod
    def from_config(cls, values: Mapping[str, Any], start: int) -> "SpokenPrompt":
        """Read what the bundle says.

        Raises
        ------
        TaskUnreadable
            If it is not what it should be.
        """
        known = values.get("is_multilingual", True)
        with refusing(lambda said: TaskUnreadable(f"{CONFIG}: the tokens of speech: {said}")):
            forced = {int(at): token for at, token in values.get("forced_decoder_ids") or ()}
            return cls(
                start,
                dict(values.get("lang_to_id") or {}) if known else {},
                dict(values.get("task_to_id") or {}) if known else {},
                values.get("no_timestamps_token_id"),
                tuple(forced[at] for at in range(1, len(forced) + 1)),
            )

    def begin(self, language: str | None, task: str | None, *, times: bool) -> list[int | None]:
        """Return the tokens before a text; None stands for the language that is heard.

        Raises
        ------
        InvalidParameter
            If the model has no such language or task.
        """
        tokens: list[int | None] = [self.start]
        if language is None and task is None:
            tokens += self.forced
        if language is not None:
            tokens[1:] = [self._language(language)]
        elif self.languages and (len(tokens) == 1 or tokens[1] is None):
            tokens[1:2] = [None]
        if task is not None or (language is not None and self.tasks):
            tokens.append(self._task(task or TRANSCRIBE))
        if times and tokens[-1] == self.no_times:
            tokens.pop()
        elif not times and self.no_times is not None and tokens[-1] != self.no_times:
            tokens.append(self.no_times)
        return tokens if self.languages else [token for token in tokens if token is not None]

    def hear_language(self, logits: Array) -> int:
        """Return the likeliest language's token by the scores after the start token, [tokens]."""
        tokens = sorted(self.languages.values())
        return tokens[int(np.argmax(logits[tokens]))]

    def _language(self, language: str) -> int:
        code = language.lower()
        for name in (code, f"<|{code}|>", f"<|{CODES.get(code)}|>"):
            if name in self.languages:
                return self.languages[name]
        known = ", ".join(name.strip("<|>") for name in self.languages) or "no language"
        raise InvalidParameter("language", language, f"one of: {known}")

    def _task(self, task: str) -> int:
        if task not in self.tasks:
            known = ", ".join(self.tasks) or "no task"
            raise InvalidParameter("task", task, f"one of: {known}")
        return self.tasks[task]


CODES = {
    "arabic": "ar",
    "chinese": "zh",
    "czech": "cs",
    "dutch": "nl",
    "english": "en",
    "finnish": "fi",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hebrew": "he",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "norwegian": "no",
    "persian": "fa",
    "polish": "pl",
    "portuguese": "pt",
    "romanian": "ro",
    "russian": "ru",
    "spanish": "es",
    "swedish": "sv",
    "thai": "th",
    "turkish": "tr",
    "ukrainian": "uk",
    "vietnamese": "vi",
}
"""Languages that are asked for by name; any other by its code."""
