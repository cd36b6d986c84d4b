"""Read a bundle's folder: which files belong to the bundle, and whether it can be published.

A bundle consists of ``model.yaml``, the files it names (artifact and golden requests), the external
data of the artifact's graph, and ``README.md``; with a task, also of the files that the task reads,
by the names that the makers of models give them. Nothing else is read or uploaded, so scripts,
training data and caches may share the folder; with a handler, which may read any of them, every
visible file belongs to the bundle. A pipeline has ``pipeline.yaml`` in the place of
``model.yaml``, and no artifact. An artifact for an inference server names no files;
its companions lie beside it in a subfolder.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from serval.bundles.bundle import MODEL_YAML, Bundle, read_bundle
from serval.bundles.handlers import declaration_reasons, with_handler
from serval.bundles.manifest import LIMIT_FILES
from serval.bundles.paths import check_path
from serval.bundles.pipeline import Pipeline
from serval.bundles.verification.archives import archive_reasons
from serval.bundles.verification.files import pickle_reasons
from serval.bundles.verification.handler import handler_reasons
from serval.bundles.verification.safetensors import safetensors_reasons
from serval.bundles.verification.served import (
    README,
    declared_signature,
    no_graph_reason,
    served_files,
)
from serval.errors import BundleRefused
from serval.models.server_declaration import SERVED
from serval.pipelines.definition import PIPELINE_YAML
from serval_cli.bundle.task_files import GRAPHS, task_paths
from serval_cli.failures import CommandFailed
from serval_cli.output import note


@dataclass(frozen=True, slots=True)
class BundleFolder:
    """A bundle that passed every check this machine can make."""

    folder: Path
    bundle: Bundle | Pipeline
    sizes: dict[str, int]
    """Size in bytes of each file of the bundle, by its path inside the bundle."""

    @property
    def total_bytes(self) -> int:
        """Size of all files."""
        return sum(self.sizes.values())


def read_folder(folder: Path) -> BundleFolder:
    """Read and check a bundle.

    Raises
    ------
    CommandFailed
        If the folder holds no bundle.
    BundleRefused
        With every reason against publishing that can be found on this machine.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise CommandFailed(
            f"{folder} {what}: a folder with a {MODEL_YAML} or a {PIPELINE_YAML} expected"
        )
    return _read_pipeline(folder) if (folder / PIPELINE_YAML).is_file() else _read_model(folder)


def _read_model(folder: Path) -> BundleFolder:
    try:
        bundle = read_bundle((folder / MODEL_YAML).read_bytes())
    except FileNotFoundError:
        raise CommandFailed(
            f"{folder} has no {MODEL_YAML} and no {PIPELINE_YAML}: `serval init NAME --from "
            "model.onnx` makes a bundle"
        ) from None
    inside = visible_files(folder)
    if reasons := declaration_reasons(bundle := with_handler(bundle, inside), inside):
        raise BundleRefused(reasons)
    sizes, reasons = named_files(folder, bundle)
    if bundle.runtime.kind != "python":
        reasons += pickle_reasons(sizes)
    if not reasons:
        reasons = [*content_reasons(folder, bundle, sizes), *golden_reasons(folder, bundle)]
    if not reasons:
        reasons = [*own_task_reasons(folder, bundle, sizes)]
    if reasons:
        raise BundleRefused(reasons)
    return BundleFolder(folder, bundle, sizes)


def _read_pipeline(folder: Path) -> BundleFolder:
    # Imported late: few bundles are pipelines, and few machines need JSONata.
    from serval_cli.pipelines.folder import read_pipeline_files

    pipeline, sizes = read_pipeline_files(folder, visible_files(folder))
    if reasons := golden_reasons(folder, pipeline):
        raise BundleRefused(reasons)
    return BundleFolder(folder, pipeline, sizes)


def named_files(folder: Path, bundle: Bundle) -> tuple[dict[str, int], list[str]]:
    """Return the sizes of a bundle's files, and the reasons why named files are missing."""
    named = {"artifact": bundle.artifact, "golden": bundle.golden}
    reasons = [
        f"{MODEL_YAML}: {key}: {path!r} is not a file in {folder}"
        for key, path in named.items()
        if path is not None and not (folder / path).is_file()
    ]
    paths = {MODEL_YAML, README, *(path for path in named.values() if path is not None)}
    if bundle.runtime.kind in SERVED:
        paths |= set(companions(folder, bundle.artifact))
    if bundle.task is not None:
        paths |= set(task_paths(folder))
    if bundle.runtime.kind == "python":
        paths |= visible_files(folder)
    return {path: size_of(folder / path) for path in paths if (folder / path).is_file()}, reasons


def handler_bundle(folder: Path) -> Bundle:
    """Read the ``model.yaml`` of a folder with a handler.

    Raises
    ------
    BundleRefused
        If it is invalid, or the folder has no handler.
    CommandFailed
        If something else is to run what is in the folder.
    """
    inside = visible_files(folder)
    bundle = with_handler(read_bundle((folder / MODEL_YAML).read_bytes()), inside)
    if reasons := declaration_reasons(bundle, inside):
        raise BundleRefused(reasons)
    if bundle.runtime.kind != "python":
        raise CommandFailed(
            f"{folder} is run by {bundle.runtime.kind}: 'runtime: {{kind: python}}' in its "
            f"{MODEL_YAML} would have a handler.py or code/inference.py run"
        )
    return bundle


def visible_files(folder: Path) -> set[str]:
    """Return the paths of all files in a folder but hidden ones and caches."""
    found = set()
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
            found.add("/".join(parts))
    return found


def companions(folder: Path, artifact: str) -> Iterator[str]:
    """Yield the visible files in the artifact's own subfolder."""
    inner = (folder / artifact).parent
    if inner == folder or not inner.is_dir():
        return
    for path in sorted(inner.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
            yield "/".join(parts)


def content_reasons(folder: Path, bundle: Bundle, sizes: dict[str, int]) -> list[str]:
    """Check the graphs as the stage will, and add their external data to ``sizes``."""
    graphs = [bundle.artifact, *(path for path in GRAPHS if path in sizes)]
    graphs = list(dict.fromkeys(graphs))
    if bundle.runtime.kind in SERVED:
        return served_reasons(folder, bundle, sizes)
    if bundle.runtime.kind == "python":
        return handler_file_reasons(folder, bundle, sizes)
    if no_graph := no_graph_reason(bundle):
        return [no_graph]
    if find_spec("onnx") is None:
        note("onnx is not installed here, so the stage alone checks the graph")
        # Imported late: only this branch needs it.
        from serval_cli.bundle.external_data import external_paths

        for graph in graphs:
            sizes |= sizes_inside(folder, external_paths(folder, graph))
        return []
    from serval_cli.bundle.graph_check import graph_file_reasons

    return [reason for graph in graphs for reason in graph_file_reasons(folder, graph, sizes)]


def served_reasons(folder: Path, bundle: Bundle, sizes: Mapping[str, int]) -> list[str]:
    """Check an artifact that an inference server runs."""
    reasons = declared_signature(bundle)[1]
    if len(sizes) > LIMIT_FILES:
        reasons.append(
            f"the bundle has {len(sizes)} files, at most {LIMIT_FILES} allowed: pack those beside "
            f"{bundle.artifact} into a .tar, and make that the artifact"
        )
    files = served_files(bundle, sizes)
    return reasons + archive_reasons(folder, files) + safetensors_reasons(folder, files)


def handler_file_reasons(folder: Path, bundle: Bundle, sizes: Mapping[str, int]) -> list[str]:
    """Check custom Python as the stage will."""
    reasons = handler_reasons(folder, bundle, sizes)
    if len(sizes) > LIMIT_FILES:
        reasons.append(f"the bundle has {len(sizes)} files, at most {LIMIT_FILES} allowed")
    return reasons


def sizes_inside(folder: Path, paths: Iterable[str]) -> dict[str, int]:
    """Return the sizes of those paths that exist in the folder."""
    return {
        path: size_of(folder / path)
        for path in paths
        if is_inside(path) and (folder / path).is_file()
    }


def golden_reasons(folder: Path, bundle: Bundle | Pipeline) -> Sequence[str]:
    """Check the golden requests as the golden check will, if its libraries are installed."""
    if bundle.golden is None or find_spec("simdjson") is None:
        return ()
    from serval.rollouts.golden.requests import read_golden

    try:
        read_golden(bundle.golden, (folder / bundle.golden).read_bytes())
    except BundleRefused as refused:
        return refused.reasons
    return ()


def own_task_reasons(folder: Path, bundle: Bundle, sizes: Mapping[str, int]) -> Sequence[str]:
    """Open the bundle's task as the stage will, if the libraries for that are installed."""
    if bundle.task is None:
        return ()
    missing = [name for name in ("onnxruntime", "simdjson") if find_spec(name) is None]
    if missing:
        note(f"{missing[0]} is not installed here, so the stage alone opens the task")
        return ()
    # Imported late: only bundles with a task need it, and it takes as long as everything else.
    from serval_cli.bundle.task_check import task_reasons

    return task_reasons(folder, bundle, sizes)


def is_inside(path: str) -> bool:
    """Return whether a path stays inside the bundle."""
    try:
        check_path(path)
    except ValueError:
        return False
    return True


def size_of(path: Path) -> int:
    """Return a file's size in bytes."""
    return path.stat().st_size
