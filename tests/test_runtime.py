"""Device, random streams, data folder and report."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import pooch
import pytest
import torch

from lvmteach import runtime
from lvmteach.runtime import data_folder, device, named_folder, report, seeded


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ("LVMTEACH_DEVICE", "LVMTEACH_DATA", "LVMTEACH_IMAGES"):
        monkeypatch.delenv(name, raising=False)


# Device


@pytest.mark.parametrize(
    ("asked", "has_gpu", "got"),
    [
        (None, False, "cpu"),
        (None, True, "cuda"),
        ("auto", False, "cpu"),
        ("auto", True, "cuda"),
        ("cpu", False, "cpu"),
        ("cpu", True, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_device_is_what_the_environment_asks_for(asked, has_gpu, got, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    if asked:
        monkeypatch.setenv("LVMTEACH_DEVICE", asked)
    assert device() == torch.device(got)


def test_device_that_is_not_there_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("LVMTEACH_DEVICE", "cuda")
    with pytest.raises(RuntimeError, match=r"finds no GPU.*set LVMTEACH_DEVICE=cpu"):
        device()


@pytest.mark.parametrize("asked", ["gpu", "CPU", "cuda:1", " "])
def test_device_of_another_name_is_an_error_with_the_names(asked, monkeypatch):
    monkeypatch.setenv("LVMTEACH_DEVICE", asked)
    with pytest.raises(ValueError, match="auto, cpu, cuda") as error:
        device()
    assert repr(asked) in str(error.value)


# Random streams: torch's own generator objects, driven apart from the global one, say what should come.


def numbers_of(seed, n):
    return torch.rand(n, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def outer():
    """Start the global stream at 7, and return what it must give."""
    torch.manual_seed(7)
    return numbers_of(7, 4)


def test_seeded_starts_a_stream_and_puts_the_old_one_back(outer):
    before = torch.rand(2)
    with seeded(3):
        assert torch.equal(torch.rand(5), numbers_of(3, 5))
    with seeded(3):
        assert torch.equal(torch.rand(2), numbers_of(3, 2))
    assert torch.equal(torch.cat([before, torch.rand(2)]), outer)


def test_seeded_nests(outer):
    with seeded(3):
        first = torch.rand(2)
        with seeded(4):
            assert torch.equal(torch.rand(2), numbers_of(4, 2))
            with seeded(3):
                assert torch.equal(torch.rand(2), numbers_of(3, 2))
        assert torch.equal(torch.cat([first, torch.rand(3)]), numbers_of(3, 5))
    assert torch.equal(torch.rand(4), outer)


@pytest.mark.parametrize("problem", [ValueError, KeyboardInterrupt])
def test_seeded_survives_exceptions_and_lets_them_through(problem, outer):
    def fail():
        with seeded(3):
            torch.rand(5)
            raise problem

    with pytest.raises(problem):
        fail()
    assert torch.equal(torch.rand(4), outer)


def test_seeded_covers_the_samples_of_distributions(outer):
    draws = []
    for _ in range(2):
        with seeded(11):
            draws.append(torch.distributions.Normal(0.0, 1.0).rsample((3,)))
    assert torch.equal(*draws)
    assert torch.equal(torch.rand(4), outer)


def test_seeded_does_not_start_cuda_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with seeded(0):
        assert torch.equal(torch.rand(2), numbers_of(0, 2))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_seeded_covers_cuda():
    torch.manual_seed(7)
    expected = torch.rand(4, device="cuda")
    torch.manual_seed(7)
    draws = []
    for _ in range(2):
        with seeded(3):
            draws.append(torch.rand(5, device="cuda"))
    assert torch.equal(*draws)
    assert torch.equal(torch.rand(4, device="cuda"), expected)


# Data folder


def test_data_folder_is_the_named_one(monkeypatch, tmp_path):
    monkeypatch.setenv("LVMTEACH_DATA", str(tmp_path))
    assert data_folder() == named_folder() == tmp_path
    monkeypatch.setenv("LVMTEACH_DATA", "~/mnist")
    assert data_folder() == named_folder() == Path.home() / "mnist"


@pytest.mark.parametrize("unset", [None, ""])
def test_data_folder_is_else_the_users_cache(unset, monkeypatch):
    if unset is not None:
        monkeypatch.setenv("LVMTEACH_DATA", unset)
    assert named_folder() is None
    assert data_folder() == Path(pooch.os_cache("lvmteach"))
    assert data_folder().name == "lvmteach"


# Report


def reported(capsys):
    """What `report` prints, as a dictionary: the first word of a line, and the rest."""
    report()
    out = capsys.readouterr().out
    return dict(line.split(maxsplit=1) for line in out.splitlines())


def test_report_names_versions_device_threads_and_data(capsys, monkeypatch, tmp_path):
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"")
    (tmp_path / ".unfinished").write_bytes(b"")
    monkeypatch.setenv("LVMTEACH_DATA", str(tmp_path))
    monkeypatch.setenv("LVMTEACH_DEVICE", "cpu")
    said = reported(capsys)
    for package in ("lvmteach", "torch", "numpy", "scipy", "scikit-learn", "matplotlib", "ipywidgets", "jupyterlab"):
        assert said[package] == version(package)
    assert said["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert said["device"] == "cpu (LVMTEACH_DEVICE=cpu)"
    assert said["threads"] == f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    assert said["data"] == f"1 file in LVMTEACH_DATA .../{tmp_path.name}: train-labels-idx1-ubyte.gz"


def test_report_works_where_nothing_does(capsys, monkeypatch, tmp_path):
    """A student who needs help pastes the report: it must not be what fails."""
    monkeypatch.setenv("LVMTEACH_DATA", str(tmp_path / "missing"))
    monkeypatch.setenv("LVMTEACH_DEVICE", "gpu")
    monkeypatch.setattr(runtime, "REPORTED", ("torch", "no-such-package"))
    said = reported(capsys)
    assert said["no-such-package"] == "not installed"
    assert said["device"].startswith("unusable: LVMTEACH_DEVICE must be one of")
    assert "missing" in said["data"]
    assert "No such file" in said["data"]


def test_report_says_which_images_will_come(capsys, monkeypatch):
    assert reported(capsys)["images"] == "MNIST where it can be had, else digits"
    monkeypatch.setenv("LVMTEACH_IMAGES", "digits")
    assert reported(capsys)["images"] == "digits (LVMTEACH_IMAGES)"


# Planted bugs: what the tests above must see.


class Reseeds:
    """`torch.manual_seed`, as often written, and nothing put back."""

    def __init__(self, seed):
        torch.manual_seed(seed)

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        return False


class ForgetsOnError(Reseeds):
    """Puts the stream back, but not when the block fails."""

    def __init__(self, seed):
        self.old = torch.get_rng_state()
        super().__init__(seed)

    def __exit__(self, kind, *problem):
        if kind is None:
            torch.set_rng_state(self.old)
        return False


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (Reseeds, test_seeded_starts_a_stream_and_puts_the_old_one_back),
        (Reseeds, test_seeded_nests),
        (ForgetsOnError, lambda outer: test_seeded_survives_exceptions_and_lets_them_through(ValueError, outer)),
    ],
)
def test_streams_not_put_back_would_be_seen(wrong, test, outer, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "seeded", wrong)
    with pytest.raises(AssertionError):
        test(outer)
