"""The layers of the functions, as ``make layers`` builds them."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk.aws_lambda import Code, ILayerVersion, LayerVersion, Runtime
from constructs import Construct

from stacks.stage.stage import Stage

PYTHON = Runtime.PYTHON_3_13
DESCRIPTION_CHARACTERS = 256
NAMES = ("core", "sdk", "inference", "control", "verification", "batch", "tasks")


class LayersNotBuilt(Exception):
    """A layer's folder is missing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"layer {folder} is not built: run `make layers-aws`")


class Layers(Construct):
    """One version of each layer, in the stage's variant."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        built: Path,
        only: Sequence[str] = NAMES,
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._built = stage, built / stage.layers
        self._versions = {name: self._version(name) for name in only}

    def of(self, *names: str) -> list[ILayerVersion]:
        """Return the layers of one function by their names."""
        return [self._versions[name] for name in names]

    def _version(self, name: str) -> LayerVersion:
        folder = self._built / name
        if not (folder / "python").is_dir():
            raise LayersNotBuilt(folder)
        return LayerVersion(
            self,
            name,
            layer_version_name=f"serval-{self._stage.name}-{name}",
            description=packages(folder / "python"),
            code=Code.from_asset(str(folder)),
            compatible_runtimes=[PYTHON],
            compatible_architectures=[self._stage.architecture],
        )


def packages(folder: Path) -> str | None:
    """List the packages of a layer with their versions, for its description in the account."""
    found = sorted(path.stem for path in folder.glob("*.dist-info"))
    return ", ".join(name.replace("-", " ") for name in found)[:DESCRIPTION_CHARACTERS] or None
