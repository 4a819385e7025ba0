"""Published files, each known by its SHA-256: read from a folder, or fetched from mirrors and kept in the cache.

Whatever comes from here is the published bytes: they are checked each time they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from lvmteach.runtime import data_folder, named_folder

ROUNDS = 2  # every mirror is asked once more before a file is given up
STALL = 3  # times its patience to answer is what a mirror may pause in the middle of a file
BAR = "{l_bar}{bar}| {n_fmt}B of {total_fmt}B, {remaining} left"
REMEDY = "connect to a network, or name a folder that has the files in LVMTEACH_DATA"


class Published(NamedTuple):
    """What a file must be, wherever it comes from."""

    name: str
    size: int  # bytes
    sha256: str


def checked(raw: bytes, file: Published, source: object) -> bytes:
    """The bytes themselves, once they are known to be the published ones.

    Raises:
        ValueError: they are not; `source` says in the message where they came from.
    """
    if len(raw) != file.size:
        raise ValueError(f"{source} must have the {file.size} bytes of the published file, got {len(raw)}")
    if (got := hashlib.sha256(raw).hexdigest()) != file.sha256:
        raise ValueError(f"{source} must have the published SHA-256 {file.sha256}, got {got}")
    return raw


def obtain(files: Sequence[Published], mirrors: Sequence[str], patience: float) -> dict[str, bytes]:
    """The published bytes of every file, by name: from LVMTEACH_DATA if it is set, else from the cache or a mirror.

    What had to be fetched is kept in the cache; a cache that cannot be written costs a printed line, no more.

    Raises:
        FileNotFoundError, ValueError: LVMTEACH_DATA is set, and lacks a file or has another one under its name.
        ConnectionError: no mirror gave the published file.
        OSError: there is no room for the file while it is fetched.
    """
    if (named := named_folder()) is not None:
        return from_folder(named, files)
    raw, fetched = {}, {}
    try:
        for file in files:
            # A file that is missing, unreadable or damaged is fetched anew.
            with contextlib.suppress(OSError, ValueError):
                raw[file.name] = checked((data_folder() / file.name).read_bytes(), file, file.name)
            if file.name not in raw:
                raw[file.name] = fetched[file.name] = fetch(file, mirrors, patience)
    finally:  # what has come is not asked for again, whatever happened to the rest
        keep(data_folder(), fetched)
    return raw


def from_folder(folder: Path, files: Sequence[Published]) -> dict[str, bytes]:
    """The published bytes of every file, read from the folder that LVMTEACH_DATA names.

    Raises:
        FileNotFoundError: files are missing; the message names them.
        ValueError: a file is not the published one.
    """
    if missing := [file.name for file in files if not (folder / file.name).is_file()]:
        raise FileNotFoundError(
            f"LVMTEACH_DATA={folder} must hold the published files, and lacks {', '.join(missing)}; "
            "put them there, or unset LVMTEACH_DATA to have them fetched"
        )
    try:
        return {file.name: checked((folder / file.name).read_bytes(), file, folder / file.name) for file in files}
    except ValueError as problem:
        raise ValueError(f"{problem}; copy it again, or unset LVMTEACH_DATA to have it fetched") from problem


def fetch(file: Published, mirrors: Sequence[str], patience: float) -> bytes:
    """Fetch one file from the first mirror that gives the published bytes.

    Args:
        file: what to fetch.
        mirrors: addresses that the file's name is appended to.
        patience: seconds within which a mirror must answer.

    Raises:
        ConnectionError: no mirror answered, or none gave the published file; the message says which failed how.
        OSError: the folder for temporary files has no room for it.
    """
    from requests import RequestException  # 0.1 s that only those pay who fetch

    failed: dict[str, str] = {}
    for url in answering([mirror + file.name for mirror in mirrors], patience) * ROUNDS:
        try:
            return _download(url, file, patience)
        except (RequestException, ValueError) as problem:
            failed[url] = _short(problem)
        except OSError as problem:
            raise OSError(
                problem.errno,
                f"the folder for temporary files must have room for {file.name} ({file.size / 1e6:.0f} MB), "
                f"and cannot be written ({problem.strerror}); free some space or name another folder in TMPDIR",
            ) from problem
    raise ConnectionError(f"no mirror gave the published {file.name} ({_listed(failed)}); {REMEDY}")


def _download(url: str, file: Published, patience: float) -> bytes:
    import pooch
    from tqdm import tqdm

    pooch.get_logger().setLevel("WARNING")
    with (
        tempfile.TemporaryDirectory(prefix="lvmteach-") as private,
        tqdm(total=file.size, desc=file.name, unit="B", unit_scale=True, bar_format=BAR) as bar,
    ):
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=(patience, STALL * patience))
        path = pooch.retrieve(url, file.sha256, file.name, private, downloader=downloader)
        return checked(Path(path).read_bytes(), file, url)


def answering(urls: Sequence[str], patience: float) -> list[str]:
    """The addresses, first the one that answered first, last those that refused.

    Each is asked on a thread of its own, because looking up a name has no time limit: on a network that swallows
    packets it can hang for a minute, and a lecturer is waiting.

    Raises:
        ConnectionError: none answered within `patience` seconds.
    """
    answers: queue.Queue[tuple[str, str]] = queue.Queue()
    for url in urls:
        threading.Thread(target=_ask, args=(url, patience, answers), daemon=True).start()
    failed: dict[str, str] = {}
    deadline = time.monotonic() + patience
    while len(failed) < len(urls):
        try:
            url, problem = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            failed = {url: failed.get(url, "no answer") for url in urls}
            break
        if not problem:
            return sorted(urls, key=lambda other: (other != url, other in failed))
        failed[url] = problem
    name = urls[0].rpartition("/")[2]
    raise ConnectionError(f"no mirror offered {name} within {patience:g} s ({_listed(failed)}); {REMEDY}")


def _ask(url: str, patience: float, answers: queue.Queue[tuple[str, str]]) -> None:
    import requests

    try:
        requests.head(url, timeout=patience, allow_redirects=True).raise_for_status()
        answers.put((url, ""))
    except Exception as problem:  # a thread has no other way to report it
        answers.put((url, _short(problem)))


def _short(problem: Exception) -> str:
    if isinstance(problem, ValueError):
        return "sends another file"
    response = getattr(problem, "response", None)
    return type(problem).__name__ if response is None else f"HTTP {response.status_code}"


def _listed(failed: Mapping[str, str]) -> str:
    return ", ".join(f"{urlsplit(url).netloc}: {how}" for url, how in failed.items())


def keep(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put files into the cache, each whole or not at all, and say in one line if that cannot be done."""
    for name, raw in contents.items():
        # Another process may do the same: each writes a file of its own, and puts it in place in one step.
        unfinished = folder / f".{name}-{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(unfinished, "xb") as out:
                out.write(raw)
            os.replace(unfinished, folder / name)
        except OSError as problem:
            print(f"{folder} cannot be written ({problem.strerror}): what was fetched is not kept for the next time")
            return
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink()
