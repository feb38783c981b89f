"""Installed size of every distribution in this environment, in MB, largest first.

python benchmarks/sizes.py
"""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path


def main() -> None:
    """Print a line for each distribution of 1 MB and more, and the sum of all."""
    sizes = {}
    for found in distributions():
        files = (Path(str(file.locate())) for file in found.files or [])
        sizes[found.name] = sum(p.stat().st_size for p in files if p.is_file())
    for name, size in sorted(sizes.items(), key=lambda pair: -pair[1]):
        if size >= 1e6:
            print(f"{size / 1e6:8.0f}  {name}")
    print(f"{sum(sizes.values()) / 1e6:8.0f}  all {len(sizes)} distributions")


if __name__ == "__main__":
    main()
