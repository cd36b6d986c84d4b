"""``python -m serval.openapi > docs/openapi.json`` writes the committed document."""

import json
import sys

from serval.openapi.document import document


def text() -> str:
    """Write the document as the repository holds it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
