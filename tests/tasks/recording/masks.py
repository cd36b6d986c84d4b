"""Cases of ``fill-mask``."""

from pathlib import Path
from typing import Any

from tests.tasks.recording.case import Case
from tests.tasks.recording.encoders import MAKES, build, export_encoder, pipeline


def record(folder: Path) -> None:
    """Write a case for each kind of tokenizer."""
    for make in MAKES:
        model, tokenizer = build(make, "ForMaskedLM")
        case = Case(folder / f"fill-mask-{make}", "fill-mask")
        export_encoder(case, model, tokenizer, ["logits"])
        add_calls(case, pipeline("fill-mask", model, tokenizer), tokenizer.mask_token)
        case.write()


def add_calls(case: Case, ask: Any, mask: str) -> None:
    def add(inputs: list[str], **parameters: Any) -> None:
        case.add(inputs, [ask(one, **parameters) for one in inputs], **parameters)

    add([f"Paris is the {mask} of France.", f"{mask} café in Zu\u0308rich 🙂, wasn't it?"])
    add([f"The {mask} is blue."], top_k=2)
    add([f"The {mask} is {mask}!"], top_k=3)
    add([f"The {mask} is cold."], targets=["river", "sky", "unbelievable"])
    add([f"We loved the {mask}"], targets="film", top_k=4)
