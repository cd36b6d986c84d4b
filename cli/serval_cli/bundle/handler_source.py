"""A folder with custom Python becomes a bundle, its packages pinned."""

import shutil
from pathlib import Path

from serval.bundles.bundle import MODEL_YAML
from serval.bundles.verification.handler import handler_reasons
from serval.bundles.verification.served import README
from serval.errors import BundleRefused
from serval.handlers.conventions import HandlerFile, find_handler
from serval_cli.bundle.folder import handler_bundle, visible_files
from serval_cli.bundle.handler_lock import lock_packages
from serval_cli.bundle.skeleton import new_folder

MODEL_YAML_TEXT = """\
# What Serval should know of this model. docs/model.schema.json has every key.
name: {name}
runtime: {{kind: python}}            # {path} answers; docs/handlers.md
# description: One line for people
# golden: golden.jsonl             lines of {{"body": …, "answer": …}}
# env: {{THRESHOLD: "0.5"}}          variables of the handler's environment
# compute: {{memory_mib: 3538}}      of its function on Lambda; 1769 if nothing is said
"""
README_TEXT = """\
# {name}

Say here what the model does, and what data it was trained on.

- `{path}` answers, in a process of its own.

`serval deploy --models DIR` makes its function, where DIR has this folder in it, and `serval push`
publishes it.
"""


def handler_in(source: Path | None) -> HandlerFile | None:
    """Find the handler of a folder, if it is one with a handler."""
    return find_handler(visible_files(source)) if source is not None and source.is_dir() else None


def make_handler_bundle(name: str, source: Path, file: HandlerFile, target: Path) -> list[str]:
    """Copy a folder's visible files, pin the packages, and return the paths of the bundle.

    Raises
    ------
    BundleRefused
        If the handler could not run, or a package has no wheel for where it is to run.
    """
    with new_folder(target) as aside:
        for path in visible_files(source):
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, aside / path)
        for path, text in ((MODEL_YAML, MODEL_YAML_TEXT), (README, README_TEXT)):
            if not (aside / path).exists():
                (aside / path).write_text(text.format(name=name, path=file.path))
        lock_packages(aside, file, handler_bundle(aside).compute.target)
        files = visible_files(aside)
        if reasons := handler_reasons(aside, handler_bundle(aside), files):
            raise BundleRefused(reasons)
    return sorted(files)
