"""YAML files that people write: parse one into a ``Section``, or name every mistake in it."""

import difflib
import json
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from serval.errors import BundleRefused
from serval.foreign import refusing

LIMIT_BYTES = 65_536
FILE_IN_MESSAGE = re.compile(r' in "<(byte|unicode) string>",')
"""How PyYAML names the file."""


@dataclass(frozen=True)
class Matching:
    """Annotates text with a pattern for the schema, and with words for the message."""

    pattern: re.Pattern[str]
    expectation: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # JSON Schema's patterns are JavaScript's, where the end of the text is always `$`.
        return handler(schema) | {"pattern": f"^{self.pattern.pattern}$".replace(r"\Z", "$")}

    def _check(self, text: str) -> str:
        if not self.pattern.fullmatch(text):
            raise ValueError(f"expected {self.expectation}")
        return text


class Section(BaseModel):
    """A part of a YAML file; unknown keys are mistakes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


SectionT = TypeVar("SectionT", bound=Section)


def read_section(text: bytes | str, file: str, section: type[SectionT]) -> SectionT:
    """Parse and validate a file; ``file`` is its name in messages.

    Raises
    ------
    BundleRefused
        With every mistake: the key, its value and what is expected.
    """
    value, as_json = _load_plain(text, file)
    if not isinstance(value, dict):
        raise BundleRefused([f"{file}: keys and values expected, as 'name: iris'"])
    try:
        return section.model_validate_json(as_json)
    except ValidationError as error:
        reasons = [
            _reason(detail, file, section) for detail in error.errors() if not _is_echo(detail)
        ]
        raise BundleRefused(reasons) from None


class _Loader(yaml.SafeLoader):
    """Plain YAML: no aliases, which can grow without bound, and no key twice."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError("aliases ('*name') are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError("a key is plain text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    f"key {key.value!r} is repeated", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 1e-4 as text; people mean the number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+"), list("-+0123456789")
)


def _load_plain(text: bytes | str, file: str) -> tuple[Any, str]:
    """Parse a file, and return its value together with the same as JSON."""
    if len(text) > LIMIT_BYTES:
        raise BundleRefused([f"{file}: {len(text)} bytes, at most {LIMIT_BYTES} allowed"])
    with refusing(
        lambda said: BundleRefused([f"{file} is not YAML: {FILE_IN_MESSAGE.sub(' at', said)}"])
    ):
        value = yaml.load(text, _Loader)
        # Strict mode takes no list for a tuple, except from JSON.
        return value, json.dumps(value, default=str)


def _is_echo(detail: ErrorDetails) -> bool:
    """Return whether a list is called too short only since its items are wrong, as is said."""
    too_short = detail["type"] == "too_short"
    return too_short and len(detail["input"]) >= detail["ctx"]["min_length"]


def _reason(detail: ErrorDetails, file: str, section: type[BaseModel]) -> str:
    """Describe a mistake: the key, its value and what is expected."""
    place = ".".join(str(part) for part in detail["loc"])
    where = f"{file}: {place}" if place else file
    if detail["type"] == "extra_forbidden":
        return _unknown_key(detail["loc"], file, section)
    if detail["type"] == "missing":
        return f"{where} is missing"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] in ("too_short", "too_long"):
        message = _size_expected(detail["ctx"])
    if isinstance(detail["input"], dict):
        return f"{where}: {message}"
    return f"{where}: {json.dumps(detail['input'])} given: {message}"


def _size_expected(limits: dict[str, Any]) -> str:
    bound, count = (
        ("least", limits["min_length"])
        if "min_length" in limits
        else ("most", limits["max_length"])
    )
    return f"at {bound} {count} {'item' if count == 1 else 'items'} expected"


def _unknown_key(location: tuple[int | str, ...], file: str, section: type[BaseModel]) -> str:
    above, key = location[:-1], str(location[-1])
    known = _keys_at(above, section)
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys: {', '.join(known)}"
    where = f" in {'.'.join(map(str, above))!r}" if above else ""
    return f"{file}: unknown key {key!r}{where}; {hint}"


def _keys_at(location: tuple[int | str, ...], section: type[BaseModel]) -> list[str]:
    for part in location:
        if isinstance(part, str):
            section = _section_in(section.model_fields[part].annotation) or section
    return list(section.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Find the section in a field's annotation, alone or in a sequence."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_section_in(argument) for argument in get_args(annotation))
    return next((section for section in found if section is not None), None)
