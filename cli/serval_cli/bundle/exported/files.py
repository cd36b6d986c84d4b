"""Which files beside the graphs a task reads, and what to do where one is missing."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from serval_cli.bundle.task_files import module_paths
from serval_cli.failures import CommandFailed

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
MODULES = "modules.json"
CARD = "README.md"
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
OF_TOKENIZER = (
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
OF_GENERATION = ("generation_config.json", "chat_template.jinja", "chat_template.json")
OF_SENTENCES = (MODULES, "config_sentence_transformers.json", "sentence_bert_config.json")
LETTERS = "vocab.json"
"""What takes the place of tokenizer.json where every letter is a token."""
READS = {
    **dict.fromkeys(
        (
            "text-classification",
            "token-classification",
            "zero-shot-classification",
            "question-answering",
            "fill-mask",
        ),
        OF_TOKENIZER,
    ),
    **dict.fromkeys(("feature-extraction", "sentence-similarity"), (*OF_TOKENIZER, *OF_SENTENCES)),
    **dict.fromkeys(
        ("text-generation", "summarization", "translation", "text2text-generation"),
        (*OF_TOKENIZER, *OF_GENERATION),
    ),
    **dict.fromkeys(
        ("image-classification", "object-detection", "image-segmentation", "audio-classification"),
        PREPROCESSORS,
    ),
    "zero-shot-image-classification": (*OF_TOKENIZER, *PREPROCESSORS),
    **dict.fromkeys(
        ("image-to-text", "automatic-speech-recognition"),
        (*OF_TOKENIZER, *PREPROCESSORS, *OF_GENERATION, LETTERS),
    ),
    "text-to-speech": (
        *OF_TOKENIZER,
        *PREPROCESSORS,
        "generation_config.json",
        "speaker.npy",
        LETTERS,
    ),
}
"""Task → files that it reads beside config.json, as far as they are there."""
SOURCES_OF_TOKENIZER = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "*.spm", "*.model")
"""Older forms of a tokenizer, from which ``tokenizer.json`` is made."""


def companion_files(folder: Path, task: str) -> dict[str, Path]:
    """Return the files that a task reads, by their path in the bundle.

    Raises
    ------
    CommandFailed
        If one that it cannot do without is missing, with how to get it.
    """
    names = READS.get(task, (*OF_TOKENIZER, *PREPROCESSORS))
    found = {name: folder / name for name in (CONFIG, *names) if (folder / name).is_file()}
    if MODULES in found:
        found |= {path: folder / path for path in module_paths(folder)}
    check_tokenizer(folder, task, names, found)
    # Without config.json the graph stands alone, and its shape says how images are prepared.
    prepared = CONFIG in found and PREPROCESSORS[0] in names and task != "text-to-speech"
    if prepared and not any(name in found for name in PREPROCESSORS):
        raise CommandFailed(
            f"{folder} has no {PREPROCESSORS[0]}, which says how a {task} model's input is "
            "prepared: `AutoProcessor.from_pretrained(MODEL).save_pretrained(FOLDER)` of "
            "transformers writes it"
        )
    return found


def check_tokenizer(
    folder: Path, task: str, names: tuple[str, ...], found: Mapping[str, Path]
) -> None:
    """Refuse a folder without the tokenizer that its task needs.

    Raises
    ------
    CommandFailed
        With how to make ``tokenizer.json``.
    """
    if TOKENIZER not in names or TOKENIZER in found:
        return
    if LETTERS in names and LETTERS in found:
        return
    older = ", ".join(list_older_forms(folder))
    raise CommandFailed(
        f"{folder} has {f'{older} but no' if older else 'no'} {TOKENIZER}, which turns text into "
        f"tokens for {task}: `AutoTokenizer.from_pretrained({str(folder)!r})"
        f".save_pretrained({str(folder)!r})` of transformers writes it (with `pip install "
        "transformers sentencepiece`)"
    )


def list_older_forms(folder: Path) -> Iterator[str]:
    """Yield the files of a folder from which a tokenizer can be made."""
    for pattern in SOURCES_OF_TOKENIZER:
        yield from (path.name for path in sorted(folder.glob(pattern)))
