"""Print the lowest supported version of every package that setclosure needs, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = ("train", "report", "cli", "cluster", "paper")
optional = project["optional-dependencies"]
requirements = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
lowest = {}
for requirement in requirements:
    found = re.fullmatch(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", requirement)
    if found and found[1] != "setclosure":
        lowest[found[1]] = found[2]
for name, version in sorted(lowest.items()):
    print(f"{name}=={version}")
