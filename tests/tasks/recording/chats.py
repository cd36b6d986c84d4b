"""Prompts that transformers makes of chats, by templates of the shapes that models come with."""

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

CHATML = """\
{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
SYSTEM_IN_FIRST_USER = """\
{% if messages[0]['role'] == 'system' %}
    {% set turns = messages[1:] %}
    {% set system = '<<SYS>>\\n' ~ messages[0].content | trim ~ '\\n<</SYS>>\\n\\n' %}
{% else %}
    {% set turns = messages %}
    {% set system = '' %}
{% endif %}
{% for message in turns %}
    {% if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Roles must take turns: user, assistant, user, and so on') }}
    {% endif %}
    {% set content = (system if loop.first else '') + message.content %}
    {% if message.role == 'user' %}
        {{- bos_token + '[INST] ' + content.strip() + ' [/INST]' -}}
    {% else %}
        {{- ' ' + content.strip() + ' ' + eos_token -}}
    {% endif %}
{% endfor %}"""
LOOPS = """\
{%- macro turn(role, text) -%}
<start>{{ role }}
{{ text | trim }}<end>
{%- endmacro %}
{%- set last = namespace(user=-1) %}
{%- for message in messages[::-1] %}
  {%- if message.role == 'user' %}
    {%- set last.user = messages | length - 1 - loop.index0 %}
    {%- break %}
  {%- endif %}
{%- endfor %}
{{ bos_token }}
{% for message in messages %}
    {% if message.role == 'system' %}
        {% continue %}
    {% elif message.role == 'assistant' %}
        {% generation %}
{{ turn('model', message.content.split('</think>')[-1]) }}
        {% endgeneration %}
    {% else %}
{{ turn(message.role, message.content) }}{{ ' (newest)' if loop.index0 == last.user }}
    {% endif %}
{% endfor %}
{% if add_generation_prompt %}
<start>model
{{ '<think>\\n' if enable_thinking is defined and enable_thinking }}
{%- endif %}"""
TOOLS = """\
{%- if tools is not none %}TOOLS {{ tools | tojson(indent=2) }}{% endif -%}
{%- for message in messages %}{{ {'who': message.role, 'says': message.content} | tojson }}
{% endfor -%}
{{ 'unk ' + unk_token if unk_token is defined else 'no unk' }}{{ '\\u00fc' | upper }}"""
SYSTEM, HELLO = {"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi <b>&"}
BACK, MORE = (
    {"role": "assistant", "content": "<think>so</think> Hello"},
    {"role": "user", "content": "Zürich?\n"},
)
CHATS: tuple[list[dict[str, str]], ...] = (
    [HELLO],
    [SYSTEM, HELLO],
    [HELLO, BACK, MORE],
    [SYSTEM, HELLO, BACK, MORE],
    [HELLO, MORE],
)
TEMPLATES: dict[str, tuple[Any, dict[str, Any]]] = {
    "chatml": (CHATML, {}),
    "system-in-first-user": (SYSTEM_IN_FIRST_USER, {}),
    "loops": (LOOPS, {}),
    "loops-thinking": (LOOPS, {"enable_thinking": True}),
    "tools": (TOOLS, {}),
    "named": (
        [{"name": "default", "template": CHATML}, {"name": "tool_use", "template": TOOLS}],
        {},
    ),
}
"""Name → the template or several by name, and further variables."""


def record(folder: Path) -> None:
    """Write the prompts, and what refusals say."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "gpt2" / "bundle")
    found = []
    for name, (template, variables) in TEMPLATES.items():
        tokenizer.chat_template = (
            template
            if isinstance(template, str)
            else {one["name"]: one["template"] for one in template}
        )
        for messages in CHATS:
            call = {
                "name": name,
                "template": template,
                "messages": messages,
                "variables": variables,
            }
            found.append(call | answer(tokenizer, messages, variables))
    path = folder / "chats" / "prompts.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def answer(tokenizer: Any, messages: Any, variables: dict[str, Any]) -> dict[str, str]:
    """Return the prompt of a chat, or how the template refuses it."""
    try:
        prompt = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **variables
        )
    except Exception as error:
        return {"refusal": str(error)}
    return {"prompt": prompt}
