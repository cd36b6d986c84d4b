"""Files that a text model brings, and what reads them."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from serval.tasks.files import TaskFiles
from serval.tasks.generation.chat_template import CONFIG, FILE, ChatTemplate
from serval.tasks.text.dense import WEIGHTS, DenseLayer
from serval.tasks.text.tokenizer import TOKENIZER, TextTokenizer

RECORDED = Path(__file__).parents[1] / "tasks/recorded"
TEXT = "The café in Zu\u0308rich 🙂, and Maria's 24 houses!"


def tokenizer_files() -> list[bytes]:
    """Read a tokenizer of each kind."""
    cases = (f"fill-mask-{make}" for make in ("wordpiece", "bpe", "unigram"))
    return [(RECORDED / case / "bundle" / TOKENIZER).read_bytes() for case in cases]


def weight_files() -> list[bytes]:
    """Read the weights of a dense layer."""
    folder = RECORDED / "feature-extraction-dense/bundle/2_Dense"
    return [(folder / WEIGHTS).read_bytes()]


def read_tokenizer(data: bytes) -> object:
    """Open a tokenizer, and have it read a text as a request would."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / TOKENIZER).write_bytes(data)
        tokenizer = TextTokenizer.from_files(files_of(Path(folder)))
    encodings = tokenizer.encode([TEXT, (TEXT, "Paris")])
    windows = tokenizer.windows(TEXT, 12, 4)
    return tokenizer.pad([*encodings, *windows]), tokenizer.decode(encodings[0].ids)


def template_files() -> list[bytes]:
    """Read a chat template of each shape."""
    calls = json.loads((RECORDED / "chats/prompts.json").read_text())
    return sorted({one["template"].encode() for one in calls if isinstance(one["template"], str)})


def read_template(data: bytes) -> object:
    """Open a chat template, and have it make a prompt."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_bytes(data)
        tokens = {"bos_token": "<s>", "eos_token": "</s>"}
        (Path(folder) / CONFIG).write_text(json.dumps(tokens))
        template = ChatTemplate.from_files(files_of(Path(folder)))
    return template and template.render([{"role": "user", "content": TEXT}], {})


def read_layer(data: bytes) -> object:
    """Open a dense layer."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / WEIGHTS).write_bytes(data)
        return DenseLayer.from_folder(files_of(Path(folder)), ".")


def files_of(folder: Path) -> TaskFiles:
    """Return a folder whose graphs nobody opens."""
    return TaskFiles(folder, lambda path: NotImplemented)


OF_TEXT: tuple[tuple[str, Callable[[], list[bytes]], Callable[[bytes], object]], ...] = (
    ("tokenizers", tokenizer_files, read_tokenizer),
    ("chat templates", template_files, read_template),
    ("safetensors", weight_files, read_layer),
)
"""Name → what makes good inputs, and what reads one."""
