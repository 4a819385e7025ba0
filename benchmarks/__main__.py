"""Every benchmark, one row a line after the words for the machine; ends with 1 where a promised ratio is missed.

python -m benchmarks          all of them
python -m benchmarks deep     those named
"""

from __future__ import annotations

import importlib
import sys

from benchmarks.timing import machine, report

MODULES = ("linear_gaussian", "mixtures", "hmm", "helmholtz", "deep")


def main(names: list[str]) -> bool:
    """Report the rows of the modules named, or of all; True when every target is met."""
    for name in names:
        if name not in MODULES:
            raise SystemExit(f"no benchmark {name!r}; there are {', '.join(MODULES)}")
    machine()
    met = True
    for name in names or MODULES:
        print(f"# {name}", flush=True)
        met &= report(importlib.import_module(f"benchmarks.{name}").rows())
    return met


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
