"""Every benchmark, one row a line after the words for the machine; ends with 1 where a promise is missed.

python -m benchmarks          all of them, then the table of ratios for README.md
python -m benchmarks deep     those named
"""

from __future__ import annotations

import importlib
import sys

from benchmarks.timing import Row, machine, report, table

RATIOS = ("linear_gaussian", "mixtures", "hmm", "helmholtz", "deep")
PICTURES = ("explorables", "pages")  # these need a browser, and print tables of their own


def main(names: list[str]) -> bool:
    """Run the benchmarks named, or all; True when every target is met."""
    unknown = [name for name in names if name not in RATIOS + PICTURES]
    if unknown:
        raise SystemExit(f"no benchmark {unknown[0]!r}; there are {', '.join(RATIOS + PICTURES)}")
    machine()
    rows: list[Row] = []
    met = True
    for name in names or RATIOS + PICTURES:
        print(f"# {name}", flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        if name in PICTURES:
            met &= module.main([]) == 0
        else:
            found = report(module.rows())
            met &= all(row.met for row in found)
            rows += found
    if rows:
        print("", *table(rows), sep="\n")
    return met


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
