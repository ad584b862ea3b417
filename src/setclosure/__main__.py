"""The command line starts here, for ``python -m setclosure`` and for the command ``setclosure``."""

from __future__ import annotations

import sys

from setclosure.extras import missing_extra


def main() -> None:
    """Run the command line; if a package is missing, print which extra installs it and exit with status 2."""
    try:
        from setclosure.experiments.cli.main import main as command

        command()
    except ModuleNotFoundError as error:
        needed = missing_extra(error)
        if needed is None:
            raise
        print(f"Error: {needed}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
