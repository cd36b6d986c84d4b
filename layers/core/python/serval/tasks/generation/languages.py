"""Which language is read and which is written, for models that know several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tokenizers

from serval.errors import InvalidParameter
from serval.tasks.files import TaskFiles
from serval.tasks.text.tokenizer import token_text

ORDINARY = (
    "bos_token",
    "cls_token",
    "eos_token",
    "mask_token",
    "pad_token",
    "sep_token",
    "unk_token",
)
"""The keys of tokenizer_config.json whose tokens are no languages."""


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages of a model: by tokens, by prefixes of the text, or one pair alone.

    mBART, NLLB and M2M100 have a token for each language: that of the source stands beside the
    text, and the text that is written begins with that of the target. T5 is told by a prefix in
    config.json's ``task_specific_params``, Marian's models of several targets by a token such as
    ``>>fra<<`` before the text.
    """

    tokens: Mapping[str, int]
    """Language codes with their tokens."""
    prefixes: Mapping[str, Mapping[str, Any]]
    """``task_specific_params``."""
    targets: frozenset[str]
    """The targets that a token before the text chooses, such as ``fra``."""

    @classmethod
    def from_files(cls, files: TaskFiles, tokenizer: tokenizers.Tokenizer) -> "Languages":
        """Read the special tokens and the prefixes."""
        config = files.json("tokenizer_config.json")
        ordinary = {token_text(config.get(name)) for name in ORDINARY}
        tokens = {
            added.content.strip("_"): token
            for token, added in tokenizer.get_added_tokens_decoder().items()
            if added.special and added.content not in ordinary and _is_code(added.content)
        }
        vocabulary = tokenizer.get_vocab()
        targets = {
            word[2:-2] for word in vocabulary if word.startswith(">>") and word.endswith("<<")
        }
        prefixes = files.json("config.json").get("task_specific_params")
        return cls(tokens, prefixes if isinstance(prefixes, dict) else {}, frozenset(targets))

    def params(self, task: str, source: str | None, target: str | None) -> Mapping[str, Any]:
        """Return what ``task_specific_params`` says of a task, its prefix among it.

        Raises
        ------
        InvalidParameter
            If a translation is not between two languages that it knows.
        """
        if task != "translation":
            return _mapping(self.prefixes.get(task))
        pairs = [name for name in self.prefixes if name.startswith("translation_")]
        if source is None and target is None:
            return _mapping(self.prefixes[pairs[0]]) if len(pairs) == 1 else {}
        if not pairs:
            return {}
        name = f"translation_{source}_to_{target}"
        if name not in pairs:
            expected = ", ".join(pair.removeprefix("translation_") for pair in sorted(pairs))
            raise InvalidParameter("tgt_lang", f"{source}_to_{target}", f"one of: {expected}")
        return _mapping(self.prefixes[name])

    def token(self, name: str, language: str | None) -> int | None:
        """Return a language's token; None if there is no language, or the model has no such tokens.

        Raises
        ------
        InvalidParameter
            If the model knows others, but not this one.
        """
        if language is None or self.prefixes or (self.targets and not self.tokens):
            return None
        found = self.tokens.get(language.strip("_"))
        if found is None:
            known = ", ".join(sorted(self.tokens)[:40]) or "nothing: the model has one pair only"
            raise InvalidParameter(name, language, known)
        return found

    def mark(self, text: str, target: str | None) -> str:
        """Return a text with the token before it that chooses the target, if there are such."""
        if target is None or not self.targets or self.tokens:
            return text
        if target not in self.targets:
            raise InvalidParameter("tgt_lang", target, ", ".join(sorted(self.targets)[:40]))
        return f">>{target}<< {text}"

    def replace(
        self, encodings: Sequence[tokenizers.Encoding], batch: dict[str, Any], source: int | None
    ) -> None:
        """Put the source's token where the tokenizer put that of the language it was saved with."""
        if source is None:
            return
        known = set(self.tokens.values())
        longest = batch["input_ids"].shape[1]
        for row, encoding in enumerate(encodings):
            shift = longest - len(encoding) if batch["attention_mask"][row, 0] == 0 else 0
            for at, (token, special) in enumerate(
                zip(encoding.ids, encoding.special_tokens_mask, strict=True)
            ):
                if special and token in known:
                    batch["input_ids"][row, shift + at] = source


def _is_code(content: str) -> bool:
    code = content.strip("_")
    return len(code) >= 2 and code.replace("_", "").isalpha() and code[:2].islower()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
