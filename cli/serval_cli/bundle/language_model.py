"""A folder of safetensors, as transformers saves a language model, becomes a bundle for vLLM."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from serval.bundles.bundle import MODEL_YAML
from serval.bundles.verification.safetensors import INDEX, SUFFIX, safetensors_reasons
from serval.bundles.verification.served import README
from serval.errors import BundleRefused
from serval_cli.bundle.exported.files import CONFIG
from serval_cli.bundle.exported.graphs import list_graphs
from serval_cli.bundle.exported.reader import read_object
from serval_cli.bundle.skeleton import new_folder
from serval_cli.failures import CommandFailed

PLACE = "model"
"""The folder of the bundle whose files the server gets."""
GENERATORS = ("ForCausalLM", "LMHeadModel")
"""Endings of the architectures of models that go on with a text."""
LEFT_OUT = (".bin", ".pt", ".pth", ".h5", ".msgpack", ".gguf", ".onnx", ".py")
"""Suffixes of the same weights in other formats, and of code."""
MODEL_YAML_TEXT = """\
# What Serval should know of this model. docs/model.schema.json has every key.
name: {name}
# description: One line for people
artifact: {artifact}
# The name of a fleet in fleets.yaml, of NVIDIA machines whose memory the weights fit
compute: {{target: fleet, fleet: gpu}}
runtime: {{kind: http, protocol: openai, server: lmi}}
signature:
  inputs:
    - {{name: prompt, datatype: BYTES, shape: [-1]}}
    - {{name: max_tokens, datatype: INT32, shape: [-1]}}
  outputs:
    - {{name: text, datatype: BYTES, shape: [-1]}}
# golden: golden.jsonl             requests and the outputs that they should give
"""
README_TEXT = """\
# {name}

Say here what the model does, and what data it was trained on.

- vLLM runs what is in `{place}/`, on a fleet.

`serval deploy --models DIR --fleets fleets.yaml` makes its routes, where DIR has this folder in it,
and `serval push` publishes it.
"""


def is_language_model(folder: Path) -> bool:
    """Return whether a folder has the safetensors of a generator, and no graph."""
    if not (folder / CONFIG).is_file():
        return False
    if not any(folder.glob(f"*{SUFFIX}")) or any(list_graphs(folder)):
        return False
    heads = read_object(folder / CONFIG).get("architectures")
    return isinstance(heads, list) and any(str(head).endswith(GENERATORS) for head in heads)


def make_server_bundle(name: str, source: Path, target: Path) -> list[str]:
    """Lay out a folder's files for an inference server, and return the paths of the bundle.

    Weights get a second name where the disk allows that, so they are there once.

    Raises
    ------
    BundleRefused
        If a file of weights is missing, or not whole.
    CommandFailed
        If the tokenizer is missing.
    """
    names = [path.name for path in files_of(source)]
    if not any("tokenizer" in name or name.endswith(".model") for name in names):
        raise CommandFailed(f"{source} has no tokenizer.json, tokenizer_config.json or *.model")
    if reasons := safetensors_reasons(source, names):
        raise BundleRefused(reasons)
    weights = [name for name in names if name.endswith(SUFFIX)]
    artifact = f"{PLACE}/{next((n for n in names if n.endswith(INDEX)), weights[0])}"
    texts = {
        MODEL_YAML: MODEL_YAML_TEXT.format(name=name, artifact=artifact),
        README: README_TEXT.format(name=name, place=PLACE),
    }
    with new_folder(target) as aside:
        (aside / PLACE).mkdir()
        for each in names:
            name_again(source / each, aside / PLACE / each)
        for path, text in texts.items():
            (aside / path).write_text(text)
    return [*(f"{PLACE}/{each}" for each in names), *texts]


def files_of(source: Path) -> Iterator[Path]:
    """Yield the files that a server needs, by name."""
    for path in sorted(source.iterdir()):
        hidden = path.name.startswith(".")
        if path.is_file() and not hidden and path.suffix.lower() not in LEFT_OUT:
            yield path


def name_again(source: Path, target: Path) -> None:
    """Let a file have a second name, or copy it to another disk."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
