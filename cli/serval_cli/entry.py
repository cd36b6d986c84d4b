"""Start the command, or explain what it needs: Serval is installed without it by default."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        # Imported here: the packages of the extra may be missing.
        from serval_cli.main import main as run
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("serval"):
            raise
        sys.exit(
            f"error: the serval command needs {missing.name}, which is not installed: "
            "`pip install '.[cli]'` in the checkout does"
        )
    run()
