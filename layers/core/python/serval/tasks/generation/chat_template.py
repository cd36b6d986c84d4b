"""A chat to a prompt, by the Jinja template that the model's makers wrote.

As transformers renders it: https://huggingface.co/docs/transformers/chat_templating.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serval.errors import InvalidInputs, InvalidParameter
from serval.foreign import refusing
from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.text.tokenizer import token_text

if TYPE_CHECKING:  # a model without a template pays for no Jinja
    from jinja2 import Template

FILE, CONFIG, TOKENS = "chat_template.jinja", "tokenizer_config.json", "special_tokens_map.json"
MOST_BYTES = 200_000
SPECIAL_TOKENS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
RESERVED = frozenset({"add_generation_prompt", "documents", "messages", "tools"})
PROBE = [{"role": "user", "content": "Hello"}]
"""What every template can render, or refuses in words of its own."""
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template that has been compiled and tried."""

    compiled: "Template"
    knows_developer: bool
    """Whether it has words for the role ``developer``."""
    tokens: Mapping[str, str]
    """Special tokens by the names that templates know them by, such as ``bos_token``."""

    @classmethod
    def from_files(cls, files: TaskFiles) -> "ChatTemplate | None":
        """Read chat_template.jinja, or the template in tokenizer_config.json; None if neither is.

        Of several templates the one named ``default`` counts.

        Raises
        ------
        TaskUnreadable
            If it is no template, or fails for a short chat.
        """
        source, where = _find_source(files)
        if source is None:
            return None
        if len(source) > MOST_BYTES:
            raise TaskUnreadable(f"{where}: {len(source)} characters, at most {MOST_BYTES} allowed")
        # Imported for a model with a template alone.
        from serval.tasks.generation.sandbox import TemplateRefuses, TemplateSandbox, render

        with refusing(lambda said: TaskUnreadable(f"{where}: the chat template fails: {said}")):
            compiled = TemplateSandbox().from_string(source)
            template = cls(compiled, "developer" in source, _special_tokens(files))
            # A template that refuses this chat wants one of its own kind.
            with suppress(TemplateRefuses):
                render(compiled, template.variables(PROBE, {}))
        return template

    def render(self, messages: Sequence[Message], more: Mapping[str, Any]) -> str:
        """Return the prompt after which the assistant speaks.

        Parameters
        ----------
        messages
            Each with ``role`` and ``content``.
        more
            Further variables of the template, such as ``enable_thinking``.

        Raises
        ------
        InvalidInputs
            If the template refuses the messages or fails for them.
        InvalidParameter
            If a variable is not the caller's to set.
        """
        for name in RESERVED & more.keys():
            raise InvalidParameter("chat_template_kwargs", {name: more[name]}, "other names")
        from serval.tasks.generation.sandbox import render

        with refusing(
            lambda said: InvalidInputs(f"the model's chat template takes no such messages: {said}")
        ):
            return render(self.compiled, self.variables(messages, more))

    def variables(self, messages: Sequence[Message], more: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the template sees."""
        return {
            **self.tokens,
            **more,
            "messages": list(messages),
            "tools": None,
            "documents": None,
            "add_generation_prompt": True,
        }


def _find_source(files: TaskFiles) -> tuple[str | None, str]:
    """Return the template, and the file that it stands in."""
    if files.has(FILE):
        with refusing(lambda said: TaskUnreadable(f"{FILE} is not UTF-8: {said}")):
            return files.path(FILE, "which makes prompts").read_bytes().decode(), FILE
    found = files.json(CONFIG).get("chat_template")
    if isinstance(found, list):
        with refusing(lambda said: TaskUnreadable(f"{CONFIG}: chat_template: {said}")):
            named = {one["name"]: one["template"] for one in found}
        if "default" not in named:
            raise TaskUnreadable(
                f"{CONFIG}: chat_template: one of the name 'default' expected, there are "
                f"{', '.join(map(str, named))}"
            )
        found = named["default"]
    if found is not None and not isinstance(found, str):
        raise TaskUnreadable(f"{CONFIG}: chat_template: {short_repr(found)} is no text")
    return found, CONFIG


def _special_tokens(files: TaskFiles) -> dict[str, str]:
    named = files.json(TOKENS) | files.json(CONFIG)
    texts = {f"{name}_token": token_text(named.get(f"{name}_token")) for name in SPECIAL_TOKENS}
    return {name: text for name, text in texts.items() if text is not None}
