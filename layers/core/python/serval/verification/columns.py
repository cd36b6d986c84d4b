"""Names of columns in ``model.yaml``: each of an input that there is, one for each element."""

import math

from serval.bundle import MODEL_YAML, Bundle
from serval.models.signature import Signature


def column_reasons(bundle: Bundle, signature: Signature) -> list[str]:
    """Name what is wrong with the columns of inputs."""
    shapes = {spec.name: spec.shape for spec in signature.inputs}
    reasons = []
    for name, columns in bundle.columns.items():
        where = f"{MODEL_YAML}: columns: {name}"
        if name not in shapes:
            reasons.append(f"{where}: no such input; the model takes {', '.join(shapes)}")
            continue
        if -1 in shapes[name][1:]:
            reasons.append(f"{where}: its extents vary ({list(shapes[name])}): it has no columns")
        elif len(columns) != (width := math.prod(shapes[name][1:])):
            reasons.append(f"{where}: {width} expected, one for each element, {len(columns)} given")
        if len({column.casefold() for column in columns}) < len(columns):
            reasons.append(f"{where}: a name is there twice; capital letters make no difference")
    return reasons
