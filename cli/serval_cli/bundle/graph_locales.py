"""Replace locales that Lambda lacks by one that changes letters alike."""

from onnx import ModelProto, helper

from serval.bundles.verification.locales import UNICODE, is_replaceable, missing_locales


def use_locales_of_lambda(model: ModelProto) -> list[str]:
    """Change operators to a locale that Lambda has, and describe the changes."""
    replaced = set()
    for node, locale in list(missing_locales(model)):
        if is_replaceable(locale):
            replaced.add(locale)
            attribute = next((a for a in node.attribute if a.name == "locale"), None)
            if attribute is None:
                attribute = node.attribute.add(name="locale")
            attribute.CopyFrom(helper.make_attribute("locale", UNICODE))
    return [
        f"letters are changed in the locale {UNICODE!r}: Lambda does not have {locale!r}, and "
        "letters change alike in both"
        for locale in sorted(replaced)
    ]
