"""What is written twice agrees, what must not be written is not, and importing a room is cheap."""

import os
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


def test_binder_asks_for_the_same_with_its_python_pinned():
    everywhere, binder = (
        yaml.safe_load((ROOT / name).read_text())["dependencies"]
        for name in ("environment.yml", ".binder/environment.yml")
    )
    packages = {entry for entry in everywhere if isinstance(entry, str) and not entry.startswith("python>")}
    assert set(binder) - packages == {"python=3.12"}
    assert packages <= set(binder)


@pytest.mark.parametrize("group", ["dependencies", "dev", "slides", "class"])
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
    # A ratio within one process: a busy machine slows both.
    code = (
        "from time import process_time as now; a = now(); import torch; b = now(); import lvmteach.bounds; c = now(); "
        "print((c - b) / (b - a))"
    )
    run = lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: E731
    assert any(float(run().stdout) < 0.1 for _ in range(3))


# Found by what they are for: a command that a plain installation names may use none of them.
EXTRAS = ("playwright", "pytest_timeout", "xdist", "hypothesis", "beartype", "pyreveal", "pyro", "hmmlearn")
ENTRANCES = (
    "publish.notebooks",
    "publish.html",
    "publish.present",
    "publish.slides",
    "exercises.release",
    "exercises.overview",
)


@pytest.mark.slow
@pytest.mark.parametrize("optimised", [False, True], ids=["plain", "without docstrings"])
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_plain_installation_has_what_its_commands_need(entrance, optimised):
    code = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({EXTRAS!r}))  # importing one of these is now an ImportError
module = importlib.import_module("lvmteach.classroom.{entrance}")
if hasattr(module, "main") and "{entrance}".startswith("publish"):
    try:
        module.main(["--help"])
    except SystemExit as done:
        assert done.code == 0, done.code
"""
    command = [sys.executable, *(["-OO"] if optimised else []), "-c", code]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]


def test_pytest_needs_no_plugin_for_the_projects_own_options():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["addopts"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        "/dev/null",
        "-p",
        "no:timeout",
        "-p",
        "no:xdist",
        *options.split(),
    ]
    run = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_readers_own_matplotlib_settings_change_no_figure(tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.titlesize: 3\n")
    code = "from lvmteach.classroom.figures import plots; f, ax = plots.figure(); ax.set_title('$a$'); plots.png(f)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "MATPLOTLIBRC": str(tmp_path)}
    )
    assert run.returncode == 0, run.stderr[-2000:]
