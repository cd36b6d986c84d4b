"""Chats become the prompts that transformers makes of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from serval.errors import InvalidInputs
from serval.tasks.files import TaskFiles
from serval.tasks.generation.chat_template import ChatTemplate
from tests.tasks.harness import RECORDED, open_graph

CALLS = json.loads((RECORDED / "chats" / "prompts.json").read_text())
TOKENIZER = json.loads((RECORDED / "gpt2" / "bundle" / "tokenizer_config.json").read_text())


def opened(folder: Path, template: Any, *, in_config: bool) -> ChatTemplate:
    """Lay a template out as its makers may, and open it."""
    config = TOKENIZER | ({"chat_template": template} if in_config else {})
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if not in_config:
        (folder / "chat_template.jinja").write_text(template)
    found = ChatTemplate.from_files(TaskFiles(folder, open_graph))
    assert found is not None
    return found


def names(kind: type) -> list[str]:
    return sorted({call["name"] for call in CALLS if isinstance(call["template"], kind)})


@pytest.mark.parametrize(
    ("name", "in_config"),
    [*((name, False) for name in names(str)), *((name, True) for name in [*names(list), "chatml"])],
)
def test_a_chat_becomes_the_prompt_of_the_original(
    tmp_path: Path, name: str, in_config: bool
) -> None:
    calls = [call for call in CALLS if call["name"] == name]
    template = opened(tmp_path, calls[0]["template"], in_config=in_config)
    for call in calls:
        if "refusal" in call:
            with pytest.raises(InvalidInputs, match=call["refusal"]):
                template.render(call["messages"], call["variables"])
        else:
            assert template.render(call["messages"], call["variables"]) == call["prompt"]
