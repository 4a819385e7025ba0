"""What is written twice agrees, what must not be written is not, and importing a room is cheap."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
CONDA_NAME = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def tracked_text() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and Path(name).suffix not in {".npz", ".png", ".safetensors"}]


def test_conda_and_pip_ask_for_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    wanted = {f"python{project['requires-python']}", "pip"}
    for requirement in project["dependencies"]:
        name, bounds = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        wanted.add(CONDA_NAME.get(name, name) + bounds)
    assert {entry for entry in conda if isinstance(entry, str)} == wanted
    assert [entry for entry in conda if isinstance(entry, dict)] == [{"pip": ["-e ."]}]


@pytest.mark.parametrize("group", ["dependencies", "dev", "demos", "slides"])
def test_every_requirement_has_a_lower_bound(group):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = project["dependencies"] if group == "dependencies" else project["optional-dependencies"][group]
    assert [r for r in requirements if ">=" not in r] == []


def test_no_file_names_a_machine_or_a_package_registry():
    # Put together here, so that this file does not name them either.
    forbidden = re.compile(
        "|".join(
            [
                "/wo" + "rk/",
                "/ro" + "ot/",
                "/ho" + "me/[a-z]",
                "py" + r"pi\.org",
                "download" + r"\.pytorch",
                "ana" + r"conda\.org",
            ]
        )
    )
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked_text()
        if path.exists()
        for match in forbidden.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == set()


def test_bounds_import_costs_little_beside_torch():
    code = "import time, torch; start = time.perf_counter(); import lvmteach.bounds; print(time.perf_counter() - start)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.050
