"""Write models and fleets for a stage of one's own: ``python -m tests.local.fleet_models FOLDER``.

Prints the command that starts it.
"""

import sys
from pathlib import Path

from tests.local.fleet_models.bundles import write

EXAMPLES = ("iris", "digits", "diabetes")

if __name__ == "__main__":
    folder = Path(sys.argv[1]).absolute()
    fleets = write(folder, EXAMPLES)
    print(f"serval local up --detach --models {folder} --fleets {fleets}")
