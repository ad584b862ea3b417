"""``python -m setclosure`` is the command ``setclosure``."""

from setclosure.experiments.cli.main import main

if __name__ == "__main__":
    main()
