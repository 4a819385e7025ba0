"""Mirrors on loopback that fail in all the ways that mirrors fail."""

import contextlib
import gzip
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror(ThreadingHTTPServer):
    """A server of `contents` (bytes by name). `spoil(handler, raw)` sends the bytes its own way and returns True, or
    returns the bytes to send."""

    daemon_threads = True

    def __init__(self, contents, spoil=lambda handler, raw: raw):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents, self.spoil, self.sent = contents, spoil, []
        self.url = f"http://127.0.0.1:{self.server_port}/data/"

    def handle_error(self, request, client_address):
        """A reader that hangs up is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.reply(body=False)

    def do_GET(self):
        self.server.sent.append(self.path.rpartition("/")[2])
        self.reply(body=True)

    def reply(self, body):
        raw = self.server.contents.get(self.path.removeprefix("/data/"))
        if raw is None:
            self.send_error(404)
            return
        if body:
            raw = self.server.spoil(self, raw)
            if raw is True:
                return
        self.head(len(raw))
        if body:
            self.wfile.write(raw)

    def head(self, length):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *args):
        """Quietly."""


@contextlib.contextmanager
def mirror(contents, spoil=lambda handler, raw: raw):
    with Mirror(contents, spoil) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def dead():
    """The address of a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/data/"


@contextlib.contextmanager
def silent():
    """The address of a port that takes calls and never answers, as a network that swallows packets."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/data/"


# Ways for a mirror to fail once it has been asked for a file.


def breaks_off(handler, raw):
    """Promises the whole file, sends half and hangs up."""
    handler.head(len(raw))
    handler.wfile.write(raw[: len(raw) // 2])
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    return True


def stalls(handler, raw):
    """Promises the whole file, sends half and then nothing, without hanging up."""
    handler.head(len(raw))
    handler.wfile.write(raw[: len(raw) // 2])
    handler.wfile.flush()
    handler.connection.settimeout(20)
    with contextlib.suppress(OSError):
        handler.connection.recv(1)  # returns when the reader gives up
    return True


def truncates(handler, raw):
    """Sends half as if it were the whole."""
    return raw[: len(raw) // 2]


def alters(handler, raw):
    """Sends the file with one bit flipped, past the gzip header."""
    return raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]


def greets(handler, raw):
    """Sends the page with which a hotel's network answers every question."""
    return b"<html>Welcome! Please sign in.</html>"


def reshapes(handler, raw):
    """Sends a valid gzip with the same values in another shape."""
    body = gzip.decompress(raw)
    if body[3] != 3:
        return raw
    n, height, width = struct.unpack(">3I", body[4:16])
    return gzip.compress(body[:4] + struct.pack(">3I", n, height // 2, width * 2) + body[16:])


BAD_WAYS = (breaks_off, stalls, truncates, alters, greets, reshapes)
