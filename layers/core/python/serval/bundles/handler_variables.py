"""Variables of a handler's environment, and the names of the secrets that fill them."""

import re
from typing import Annotated

from serval.yaml_files import Matching

Variable = Annotated[
    str,
    Matching(
        re.compile(r"(?!(HOME|TMPDIR|PYTHON[A-Z]*)$)[A-Za-z_][A-Za-z0-9_]{0,127}"),
        "letters, digits and '_' (and not HOME, TMPDIR or PYTHON…, which are the process's own)",
    ),
]
Value = Annotated[str, Matching(re.compile(r"[^\x00]*"), "text without NUL characters")]
SECRET_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
SECRET_NAME_EXPECTED = "1 to 128 letters, digits, '.', '-' or '_'"
SecretName = Annotated[str, Matching(SECRET_NAME, SECRET_NAME_EXPECTED)]
