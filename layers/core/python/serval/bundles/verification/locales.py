"""Locales: ``StringNormalizer`` changes letters in one, and Lambda has but few of them."""

from collections.abc import Iterator
from typing import Any

from onnx import ModelProto, NodeProto, helper

from serval.bundles.verification.subgraphs import nodes_of

THERE = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})
UNICODE = "C.UTF-8"
"""Changes all letters of Unicode, as the languages do that have no rules of their own."""
DEFAULT = "en_US.UTF-8"
"""What ONNX Runtime takes where the operator names none."""
OWN_RULES = ("tr", "az")
"""Languages in which the small letter of I has no dot."""


def locale_reasons(model: ModelProto, artifact: str) -> list[str]:
    """Say which locales the graph needs that are not there."""
    return [
        f"{artifact} changes letters in the locale {locale!r} (operator StringNormalizer), which "
        f"Lambda does not have: {remedy(locale, model.producer_name)}"
        for locale in sorted({locale for _, locale in missing_locales(model)})
    ]


def remedy(locale: str, producer: str) -> str:
    """Say what to do about a locale that is not there."""
    if not replaceable(locale):
        return (
            f"no other has its rules for I, so have callers lower-case texts, and export the model "
            f"without (scikit-learn: lowercase=False), or with the locale {UNICODE!r}"
        )
    said = f"`serval init NAME --from FILE` sets {UNICODE!r}, which changes all letters of Unicode"
    if producer == "skl2onnx":
        said += f"; or export with options={{TfidfVectorizer: {{'locale': {UNICODE!r}}}}}"
    return said


def replaceable(locale: str) -> bool:
    """Tell whether letters change in a locale as they do in ``C.UTF-8``."""
    return not locale.lower().startswith(OWN_RULES)


def missing_locales(model: ModelProto) -> Iterator[tuple[NodeProto, str]]:
    """Give each operator that needs a locale that is not there, and that locale."""
    for node in nodes_of(model):
        if node.op_type == "StringNormalizer" and node.domain in ("", "ai.onnx"):
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            locale = text(attributes.get("locale", DEFAULT))
            if needs_locale(attributes) and locale not in THERE:
                yield node, locale


def needs_locale(attributes: dict[str, Any]) -> bool:
    """Tell whether the operator changes letters, or compares stop words whatever their case."""
    if text(attributes.get("case_change_action", "NONE")) != "NONE":
        return True
    return bool(attributes.get("stopwords")) and not attributes.get("is_case_sensitive", 0)


def text(value: Any) -> str:
    """Give an attribute's text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
