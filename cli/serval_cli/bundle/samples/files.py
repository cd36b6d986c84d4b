"""Read a request's inputs from a file, by the file's suffix."""

from collections.abc import Callable, Mapping
from pathlib import Path

from serval.batch.input.columns import NO_CHOICE, ColumnChoice
from serval.models.signature import Signature
from serval.models.tensor import Array, Tensor
from serval_cli.bundle.samples import images
from serval_cli.bundle.samples.arrays import read_json_inputs, read_npy, read_npz
from serval_cli.bundle.samples.fitting import Specs, fit_array
from serval_cli.bundle.samples.tables import read_csv_rows
from serval_cli.failures import CommandFailed

READERS: Mapping[str, Callable[[Path, Specs], dict[str, Array]]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    **dict.fromkeys(images.SUFFIXES, images.read_image),
}


def read_sample(path: Path, signature: Signature, choice: ColumnChoice = NO_CHOICE) -> list[Tensor]:
    """Read the inputs of one request, optional ones included.

    Parameters
    ----------
    choice
        What is known of a table's columns.

    Raises
    ------
    CommandFailed
        If the file does not hold what the model takes.
    """
    if not path.is_file():
        raise CommandFailed(f"{path} is not a file: inputs for the model expected")
    inputs, optional = signature.inputs, signature.optional
    suffix = path.suffix.lower()
    if suffix == ".json":
        arrays = read_json_inputs(path, inputs, optional)
    elif suffix == ".csv":
        arrays = read_csv_rows(path, inputs, choice)
    elif (read := READERS.get(suffix)) is not None:
        arrays = read(path, inputs)
    else:
        raise CommandFailed(f"{path}: .npy, .npz, .json, .csv or an image (.png, .jpg, …) expected")
    names = [spec.name for spec in inputs]
    if not set(names) <= arrays.keys() <= {*names, *(spec.name for spec in optional)}:
        raise CommandFailed(
            f"{path} has {', '.join(arrays)}; the model takes {', '.join(names)}: all of them "
            "expected, by name in a .npz or .json"
        )
    found = (spec for spec in (*inputs, *optional) if spec.name in arrays)
    return [fit_array(path, spec, arrays[spec.name]) for spec in found]
