"""Where a checkpoint may go, tried before the work; and what a file says that is not what was hoped for."""

import json
import os
import tempfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from lvmteach import checkpoints
from lvmteach.checkpoints import load, save
from lvmteach.training import train

X = torch.arange(24.0).reshape(12, 2) / 24


def squares(model, x):
    return model(x).square().mean()


def run(path, steps=3, model=None, **settings):
    model = model or nn.Linear(2, 1)
    train(model, squares, X, steps=steps, batch_size=4, checkpoint=path, progress=False, **settings)
    return model


# ---- a destination is tried before the work


def forbidden(model, x):
    raise AssertionError("a step was taken before the destination was tried")


def folder_without_room(monkeypatch, tmp_path):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    return tmp_path / "a.st"


def notes(monkeypatch, tmp_path):
    (tmp_path / "notes.txt").write_text("what I found out in three weeks")
    return tmp_path / "notes.txt"


BAD = {
    "no folder": (lambda _, tmp: tmp / "no_such" / "a.st", FileNotFoundError, "folder that exists, got .*a.st; make"),
    "a folder": (lambda _, tmp: tmp, IsADirectoryError, "must be a file, got the folder .*; name a file in it"),
    "the user's folder": (lambda *_: "~", IsADirectoryError, "must be a file, got the folder ~"),
    "no room": (folder_without_room, OSError, "a folder that takes files, got .*; name another"),
    "another's file": (notes, FileExistsError, "replaces none but a checkpoint.*got .*notes.txt.*name another file"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_destination_that_cannot_be_written_is_refused_before_the_work(case, tmp_path, monkeypatch):
    path, error, words = BAD[case]
    path = path(monkeypatch, tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(error, match=words):
        train(nn.Linear(2, 1), forbidden, X, steps=1, batch_size=4, checkpoint=path, progress=False)
    with pytest.raises(error, match=words):
        save(nn.Linear(2, 1), path)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_users_home_and_the_folder_at_the_start_are_meant(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    model = run("~/a.st")
    other = nn.Linear(2, 1)
    load(other, "~/a.st")
    assert torch.equal(model.weight, other.weight)
    assert run("~/a.st", steps=3, resume=True).weight.equal(model.weight)

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def wanders(model, x):
        os.chdir("elsewhere") if Path.cwd() == tmp_path else None
        return squares(model, x)

    train(nn.Linear(2, 1), wanders, X, steps=1, batch_size=4, checkpoint="b.st", progress=False)
    assert sorted(p.name for p in tmp_path.rglob("*.st")) == ["a.st", "b.st"]
    assert (tmp_path / "b.st").is_file()


def test_our_own_file_and_an_empty_one_are_replaced(tmp_path):
    (tmp_path / "a.st").touch()
    for _ in range(2):
        save(nn.Linear(2, 1), tmp_path / "a.st")
        run(tmp_path / "a.st")
    assert os.listdir(tmp_path) == ["a.st"]


# ---- a file that cannot be read: damaged, another's, or of a later version


def damaged(path):
    run(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) - 1])


def cut_in_the_header(path):
    run(path)
    path.write_bytes(path.read_bytes()[:100])


def not_json(path):
    safetensors.torch.save_file({"model.weight": torch.zeros(1)}, path, {checkpoints.KEY: "{"})


def of_torch(path):
    torch.save(nn.Linear(2, 1).state_dict(), path)


def of_old_torch(path):
    torch.save(nn.Linear(2, 1).state_dict(), path, _use_new_zipfile_serialization=False)


def of_another_program(path):
    safetensors.torch.save_file(nn.Linear(2, 1).state_dict(), path, {"format": "pt"})


def later(path):
    safetensors.torch.save_file({"model.weight": torch.zeros(1)}, path, {checkpoints.KEY: json.dumps({"format": 99})})


STATES = {
    damaged: "is a checkpoint of this course, but damaged.*delete it and start anew",
    cut_in_the_header: "is a checkpoint of this course, but damaged.*delete it and start anew",
    not_json: "is a checkpoint of this course, but damaged",
    of_torch: "got a file of torch.save; read it with torch.load",
    of_old_torch: "got a file of torch.save; read it with torch.load",
    of_another_program: "got another program's safetensors; read it with safetensors.torch.load_file",
    later: "format 2 or earlier, got 99: a later version .* update lvmteach",
    lambda path: path.write_bytes(os.urandom(500)): "got 500 bytes that are none; name another file",
    lambda path: path.write_bytes(b""): "got 0 bytes that are none; name another file",
    lambda path: path.write_text("a,b\n1,2\n"): "got 8 bytes that are none; name another file",
}


@pytest.mark.parametrize("write", STATES, ids=lambda write: write.__name__)
def test_a_file_says_which_of_the_three_it_is(write, tmp_path):
    path = tmp_path / "a.st"
    write(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=STATES[write]) as refused:
        load(nn.Linear(2, 1), path)
    assert ("delete" in str(refused.value)) == ("damaged" in STATES[write])
    assert len(str(refused.value)) < 600
    with pytest.raises((ValueError, FileExistsError)):
        run(path, resume=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("name", "what"), [("no.st", "nothing"), ("", "a folder")])
def test_no_file_is_said(tmp_path, name, what):
    with pytest.raises(FileNotFoundError, match=f"no checkpoint .*but {what}; name a file"):
        load(nn.Linear(2, 1), tmp_path / name)


# ---- another optimiser


def sgd(**settings):
    return lambda p: torch.optim.SGD(p, lr=0.1, **settings)


OTHERS = {
    "another rule": (torch.optim.RMSprop, "rule Adam there, RMSprop here"),
    "another setting": (lambda p: torch.optim.Adam(p, amsgrad=True), "amsgrad False there, True here"),
    "fewer parameters": (lambda p: torch.optim.Adam(p[:1]), "parameters that learn 2 there, 1 here"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_resuming_with_another_optimiser_says_what_does_not_fit(case, tmp_path):
    optimiser, words = OTHERS[case]
    run(tmp_path / "a.st")
    with pytest.raises(ValueError, match=f"must be of a run with this optimiser.*{words}.*give the same one"):
        run(tmp_path / "a.st", steps=5, resume=True, optimiser=optimiser)


def test_momentum_that_the_run_did_not_have_is_seen(tmp_path):
    """SGD would take the missing buffer for zero in silence, and go another way."""
    run(tmp_path / "a.st", optimiser=sgd())
    with pytest.raises(ValueError, match=r"momentum 0 there, 0\.9 here"):
        run(tmp_path / "a.st", steps=5, resume=True, optimiser=sgd(momentum=0.9))


def test_another_form_of_the_same_rule_goes_on(tmp_path):
    run(tmp_path / "a.st", optimiser=lambda p: torch.optim.Adam(p, foreach=True))
    run(tmp_path / "a.st", steps=5, resume=True, optimiser=lambda p: torch.optim.Adam(p, fused=True, lr=0.5))
