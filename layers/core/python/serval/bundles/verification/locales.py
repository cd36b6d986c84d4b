"""Check the locales of ``StringNormalizer``, of which Lambda has only a few."""

from collections.abc import Iterator
from typing import Any

from onnx import ModelProto, NodeProto, helper

from serval.bundles.verification.subgraphs import nodes_of

ON_LAMBDA = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})
UNICODE = "C.UTF-8"
"""Changes all letters of Unicode, like the locales of languages without special rules."""
DEFAULT = "en_US.UTF-8"
"""ONNX Runtime's choice if the operator names none."""
OWN_RULES = ("tr", "az")
"""Languages in which a lower-case I has no dot."""


def locale_reasons(model: ModelProto, artifact: str) -> list[str]:
    """Name the locales that the graph needs and Lambda lacks."""
    return [
        f"{artifact} changes letters in the locale {locale!r} (operator StringNormalizer), which "
        f"Lambda does not have: {remedy(locale, model.producer_name)}"
        for locale in sorted({locale for _, locale in missing_locales(model)})
    ]


def remedy(locale: str, producer: str) -> str:
    """Advise what to do about a locale that Lambda lacks."""
    if not is_replaceable(locale):
        return (
            f"no other has its rules for I, so have callers lower-case texts, and export the model "
            f"without (scikit-learn: lowercase=False), or with the locale {UNICODE!r}"
        )
    advice = (
        f"`serval init NAME --from FILE` sets {UNICODE!r}, which changes all letters of Unicode"
    )
    if producer == "skl2onnx":
        advice += f"; or export with options={{TfidfVectorizer: {{'locale': {UNICODE!r}}}}}"
    return advice


def is_replaceable(locale: str) -> bool:
    """Whether ``C.UTF-8`` changes letters in the same way as a locale."""
    return not locale.lower().startswith(OWN_RULES)


def missing_locales(model: ModelProto) -> Iterator[tuple[NodeProto, str]]:
    """Yield each operator that needs a locale which Lambda lacks, and that locale."""
    for node in nodes_of(model):
        if node.op_type == "StringNormalizer" and node.domain in ("", "ai.onnx"):
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            locale = read_text(attributes.get("locale", DEFAULT))
            if needs_locale(attributes) and locale not in ON_LAMBDA:
                yield node, locale


def needs_locale(attributes: dict[str, Any]) -> bool:
    """Whether the operator changes letters, or ignores case when it compares stop words."""
    if read_text(attributes.get("case_change_action", "NONE")) != "NONE":
        return True
    return bool(attributes.get("stopwords")) and not attributes.get("is_case_sensitive", 0)


def read_text(value: Any) -> str:
    """Decode the text of an attribute."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
