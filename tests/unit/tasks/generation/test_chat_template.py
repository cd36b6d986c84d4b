"""Chat templates that fail, hang, or reach for what is not theirs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serval.errors import InvalidInputs, InvalidParameter
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.generation.chat_template import ChatTemplate
from tests.tasks.harness import open_graph

PLAIN = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
USER = [{"role": "user", "content": "Hello"}]


def opened(folder: Path, template: str, **config: Any) -> ChatTemplate:
    (folder / "chat_template.jinja").write_text(template)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    found = ChatTemplate.from_files(TaskFiles(folder, open_graph))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for message in messages %}", "unexpected 'end of template'|Unexpected end"),
        ("{{ speaker.name }}", "'speaker' is undefined"),
        ("{{ messages.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe|not safely"),
        ("{% set it = namespace(__class__=1) %}", "no attribute '__class__'"),
        ("{% set it = namespace() %}{% set it._x = 1 %}", "no attribute '_x'"),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "over 300000 steps",
        ),
        (
            "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
            "{{ f(40) }}",
            "over 300000 steps",
        ),
        ("{{ 'a' * 10000000 }}", "over 500000 characters"),
        ("{{ [1] * 9 ** 9 }}", "over 500000 characters"),
        ("{{ 10 ** 100000 }}", "a power of numbers over 1000"),
        (
            "{% for a in range(30000) %}01234567890123456789{% endfor %}",
            "a prompt of over 500000 characters",
        ),
        ("{#" + "a" * 200_000 + "#}", "at most 200000 allowed"),
    ],
)
def test_a_template_that_fails_for_a_greeting_cannot_be_opened(
    tmp_path: Path, template: str, said: str
) -> None:
    with pytest.raises(TaskUnreadable, match=f"chat_template.jinja: .*({said})"):
        opened(tmp_path, template)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (3, "chat_template: 3 is no text"),
        ([{"name": "tool_use", "template": PLAIN}], "'default' expected, there are tool_use"),
        (["default"], "chat_template: "),
    ],
)
def test_a_template_in_a_tokenizers_config_is_a_text_or_named_texts(
    tmp_path: Path, found: Any, said: str
) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": found}))
    with pytest.raises(TaskUnreadable, match=said):
        ChatTemplate.from_files(TaskFiles(tmp_path, open_graph))


def test_a_template_may_want_other_chats_than_a_greeting(tmp_path: Path) -> None:
    wanted = "{% if messages | length < 2 %}{{ raise_exception('say more') }}{% endif %}yes"
    template = opened(tmp_path, wanted)
    assert template.render(USER * 2, {}) == "yes"
    with pytest.raises(InvalidInputs, match="takes no such messages: say more"):
        template.render(USER, {})


def test_a_chat_for_which_a_template_fails_is_refused(tmp_path: Path) -> None:
    template = opened(tmp_path, "{{ messages[0].content if messages | length < 2 else it.x }}")
    assert template.render(USER, {}) == "Hello"
    with pytest.raises(InvalidInputs, match="takes no such messages: "):
        template.render(USER * 2, {})


def test_a_file_goes_before_what_a_config_says(tmp_path: Path) -> None:
    template = opened(tmp_path, PLAIN, chat_template="of the config")
    assert template.render(USER, {}) == "user: Hello\n"


def test_special_tokens_have_their_names_however_a_config_writes_them(tmp_path: Path) -> None:
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"unk_token": "<u>"}))
    eos = {"content": "</s>", "special": True}
    template = opened(
        tmp_path, "{{ bos_token }}{{ eos_token }}{{ unk_token }}", bos_token="<s>", eos_token=eos
    )
    assert template.render(USER, {}) == "<s></s><u>"


def test_variables_that_the_chat_itself_sets_are_not_the_callers(tmp_path: Path) -> None:
    template = opened(tmp_path, PLAIN + "{{ mood }}")
    assert template.render(USER, {"mood": "calm"}) == "user: Hello\ncalm"
    with pytest.raises(InvalidParameter, match="chat_template_kwargs"):
        template.render(USER, {"messages": []})


def test_a_tracer_that_was_there_is_there_again(tmp_path: Path) -> None:
    template = opened(tmp_path, PLAIN)
    before = sys.gettrace()
    template.render(USER, {})
    assert sys.gettrace() is before


def test_a_model_without_a_template_imports_no_template_engine() -> None:
    code = (
        "import sys; from tests.tasks.harness import open_case; open_case('gpt2');"
        "print('jinja2' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "False", run.stderr
