"""Choose the files of a layer: what a function can load, and the licences."""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from pathlib import Path

from layers.dependencies import elf

KEPT = ("*.dist-info/METADATA", "*.dist-info/licenses/*", "*.dist-info/LICENSE*")
"""Names and versions are read at run time; licences accompany what they cover."""

NEVER_LOADED = (
    "*.dist-info/*",
    "*/__pycache__/*",
    "*/tests/*",
    "bin/*",
    "*.a",
    "*.c",
    "*.cc",
    "*.cpp",
    "*.h",
    "*.hpp",
    "*.pc",
    "*.proto",
    "*.pxd",
    "*.pyi",
    "*.pyx",
    "*/py.typed",
)


def kept_files(folder: Path, left_out: Iterable[str], spared: Iterable[str] = ()) -> Iterator[Path]:
    """Yield the files that belong into a layer, in order and relative to the folder."""
    dropped, spares = matcher(left_out), matcher(spared)
    kept, never = matcher(KEPT), matcher(NEVER_LOADED)
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        wanted = spares(path) or not dropped(path)
        if file.is_file() and wanted and (kept(path) or not never(path)):
            yield file.relative_to(folder)


def copy_kept(
    source: Path, target: Path, left_out: Iterable[str], spared: Iterable[str] = ()
) -> None:
    """Copy the files that belong into a layer, readable by everyone.

    They are copied because the installer's files may be hard links into its cache.
    """
    for path in kept_files(source, left_out, spared):
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, copy)
        copy.chmod(0o644)
        if ".so" in path.suffixes:
            elf.cut_what_is_not_loaded(copy)


def matcher(patterns: Iterable[str]) -> Callable[[str], object]:
    """Compile shell patterns into a predicate for paths with forward slashes."""
    matches_nothing = "(?!)"
    return re.compile("|".join(map(translate, patterns)) or matches_nothing).match
