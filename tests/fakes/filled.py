"""A value for every member of a dataclass, none of them its default."""

from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind")
SAMPLES: dict[Any, Any] = {
    bool: True,
    bytes: bytes(range(256)),
    float: -1.5,
    int: 7,
    str: "ü",
    tuple[str, ...]: ("a", "ü"),
    tuple[tuple[str, str], ...]: (("a", "1"), ("ü", "2")),
}


def filled(kind: type[Kind], **members: Any) -> Kind:
    """Give one whose members differ from their defaults, so that none is missed."""
    hints = get_type_hints(kind)
    return kind(**{name: sample(hint) for name, hint in hints.items()} | members)


def sample(hint: Any) -> Any:
    if get_origin(hint) is Literal:
        return get_args(hint)[-1]
    if hint in SAMPLES:
        return SAMPLES[hint]
    return sample(next(part for part in get_args(hint) if part is not NoneType))
