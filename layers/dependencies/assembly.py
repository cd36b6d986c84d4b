"""Build the outdated layers of one variant in a scratch folder, then swap them in.

::

    <output>/<variant>/<layer>/python/...    what CDK packs
    <output>/<variant>/<layer>.stamp         what it was made from
"""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from layers.dependencies import stamps
from layers.dependencies.bytecode import Compiler
from layers.dependencies.declarations import LAMBDA_LIMIT_MB, TOGETHER, Layer, Variant
from layers.dependencies.failures import LayerBuildFailed
from layers.dependencies.installation import Install, install
from layers.dependencies.stamps import Stamp
from layers.dependencies.trimming import copy_kept

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer that is up to date."""

    layer: Layer
    variant: Variant
    size: int
    """Bytes, unzipped, byte-code included."""
    rebuilt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The layers of one variant and the folder they are built in."""

    variant: Variant
    layers: Sequence[Layer]
    output: Path
    compiler: Callable[[], Compiler]
    """Called only if there is something to compile."""
    install: Install = install

    def build(self) -> list[BuiltLayer]:
        """Bring every layer up to date.

        Raises
        ------
        LayerBuildFailed
            If a layer cannot be built or is over its limit, keeping the previous layers; or
            if the layers of one function together exceed Lambda's limit.
        """
        stale = {layer: mark for layer in self.layers if (mark := self.outdated(layer))}
        if stale:
            self.rebuild(stale)
        built = [
            BuiltLayer(layer, self.variant, self.stamp(layer).size, layer in stale)
            for layer in self.layers
        ]
        check_together(built, self.variant)
        return built

    def outdated(self, layer: Layer) -> str | None:
        """Return the fingerprint to build for, or None if the layer already has it."""
        wanted = stamps.fingerprint(layer, self.variant)
        stamp = stamps.read(self.stamp_file(layer))
        return (
            None if stamp and stamp.fingerprint == wanted and self.place(layer).is_dir() else wanted
        )

    def rebuild(self, stale: dict[Layer, str]) -> None:
        """Install, trim and compile layers in a scratch folder, and swap them in if all succeed."""
        scratch = self.output / self.variant.name / ".scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        with ThreadPoolExecutor() as threads:
            folders = list(threads.map(lambda layer: self.assemble(layer, scratch), stale))
        self.compiler().compile(folders, self.variant.python)
        sizes = [
            check_size(layer, self.variant, folder)
            for layer, folder in zip(stale, folders, strict=True)
        ]
        for (layer, mark), size in zip(stale.items(), sizes, strict=True):
            self.put_in_place(layer, scratch, Stamp(mark, size))
        shutil.rmtree(scratch)

    def assemble(self, layer: Layer, scratch: Path) -> Path:
        """Fill a layer's ``python`` folder with the source files and libraries it keeps."""
        wheels = scratch / f"{layer.name}-wheels"
        wheels.mkdir(parents=True)
        folder = scratch / layer.name / "python"
        copy_kept(self.install(layer, self.variant, wheels), folder, layer.left_out, layer.spared)
        return folder

    def put_in_place(self, layer: Layer, scratch: Path, stamp: Stamp) -> None:
        """Swap the new folder for the old one, and then write its stamp."""
        place = self.place(layer)
        self.stamp_file(layer).unlink(missing_ok=True)
        if place.exists():
            place.rename(scratch / f"{layer.name}-replaced")
        (scratch / layer.name).rename(place)
        stamps.write(self.stamp_file(layer), stamp)

    def place(self, layer: Layer) -> Path:
        """Return the folder that a layer is built into."""
        return self.output / self.variant.name / layer.name

    def stamp_file(self, layer: Layer) -> Path:
        """Return the file beside the layer that records what it was made from."""
        return self.place(layer).with_suffix(".stamp")

    def stamp(self, layer: Layer) -> Stamp:
        """Return the stamp of a layer that is up to date."""
        stamp = stamps.read(self.stamp_file(layer))
        if stamp is None:
            raise LayerBuildFailed(f"{self.stamp_file(layer)} vanished during the build")
        return stamp


def check_size(layer: Layer, variant: Variant, folder: Path) -> int:
    """Return the size of a folder in bytes, refusing more than the layer's limit."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    limit_mb = variant.limit_mb(layer)
    if size > limit_mb * MB:
        raise LayerBuildFailed(
            f"layer {layer.name!r} for {variant.name!r} is {size / MB:.1f} MB unzipped, "
            f"its limit is {limit_mb} MB"
        )
    return size


def check_together(built: Sequence[BuiltLayer], variant: Variant) -> None:
    """Check the total size of layers that one function may have against Lambda's limit."""
    sizes = {each.layer.name: each.size for each in built}
    for names in TOGETHER:
        total = sum(sizes.get(name, 0) for name in names)
        limit_mb = LAMBDA_LIMIT_MB * variant.limit_percent // 100
        if total > limit_mb * MB:
            raise LayerBuildFailed(
                f"the layers {', '.join(names)} are {total / MB:.1f} MB together, Lambda allows "
                f"{limit_mb} MB"
            )
