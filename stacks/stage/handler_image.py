"""The image of a handler whose packages do not fit a function's code.

Lambda mounts no layers into images, so what they hold lies in the image, where code does.
https://docs.aws.amazon.com/lambda/latest/dg/python-image.html
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stacks.stage.handler_code import (
    BUILT,
    HandlerNotDeployable,
    HandlerPackages,
    function_sources,
    link,
    make,
)

LIMIT_MB = 10_000
"""Of an image, in millions of bytes."""
DOCKERFILE = """\
FROM public.ecr.aws/lambda/python:{python}
COPY layers/ ${{LAMBDA_TASK_ROOT}}/
COPY handler/ ${{LAMBDA_TASK_ROOT}}/handler/
COPY functions/ ${{LAMBDA_TASK_ROOT}}/
"""


@dataclass(frozen=True, slots=True)
class HandlerImage:
    """What Docker builds an image from, and which of the functions in it is run."""

    folder: Path
    function: str

    @property
    def command(self) -> str:
        """The function's entry point, as the image names it."""
        return f"{self.function}.handler.handler"


def image_folder(
    functions: Sequence[str], packages: HandlerPackages, layers: Sequence[Path], built: Path = BUILT
) -> Path:
    """Return a folder with a Dockerfile and what it copies, making it if need be.

    One image serves all functions of a model.

    Parameters
    ----------
    layers
        Folders of the layers, each with a folder ``python``.

    Raises
    ------
    HandlerNotDeployable
        If the packages are too large for an image too.
    """
    if packages.size_mb > LIMIT_MB:
        raise HandlerNotDeployable(
            packages.model,
            f"its packages have {packages.size_mb:.0f} MB, and an image has room for {LIMIT_MB} "
            "MB: use fewer, or 'compute: {target: fleet}'",
        )
    dockerfile = DOCKERFILE.format(python=packages.variant.python)
    digest = hashlib.sha256(packages.folder.name.encode() + dockerfile.encode())
    sources = [source for function in functions for source in function_sources(function)]
    stamps = [layer.with_suffix(".stamp") for layer in layers]
    for part in (*sources, *(stamp for stamp in stamps if stamp.is_file())):
        digest.update(part.read_bytes())

    def fill(folder: Path) -> None:
        (folder / "Dockerfile").write_text(dockerfile)
        for layer in layers:
            shutil.copytree(
                layer / "python", folder / "layers", copy_function=link, dirs_exist_ok=True
            )
        packages.copy_into(folder)
        for source in sources:
            place = folder / "functions" / source.parent.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)

    return make(built / f"image-{digest.hexdigest()[:24]}", fill)
