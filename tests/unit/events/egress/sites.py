"""Servers on loopback that stand for the outside, and for what must not be reached."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """A web site: ``pages`` is path to (status, headers, body)."""

    host: str
    port: int = 0
    scheme: str = "http"
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    answered: int = 0
    """How often all of an answer was taken from it."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def place(self) -> tuple[str, int]:
        return self.host, self.port

    def file(self, path: str, body: bytes, kind: str = "video/mp4", **headers: str) -> str:
        self.pages[path] = (200, {"Content-Type": kind, "Content-Length": str(len(body)), **headers}, body)
        return self.url + path

    def leads(self, path: str, to: str) -> str:
        self.pages[path] = (302, {"Location": to, "Content-Length": "0"}, b"")
        return self.url + path

    def status(self, path: str, status: int) -> str:
        self.pages[path] = (status, {"Content-Length": "0"}, b"")
        return self.url + path


@contextmanager
def site(host: str = "127.0.0.1", port: int = 0, certificate: Path | None = None) -> Iterator[Site]:
    made = Site(host, scheme="https" if certificate else "http")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked[self.path] += 1
            status, headers, body = made.pages.get(self.path, (404, {"Content-Length": "0"}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            made.answered += 1

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> tuple[socket.socket, object]:
            made.accepted += 1
            return super().get_request()

        def handle_error(self, *_: object) -> None: ...  # a client that goes away is no news

    with Server((host, port), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        made.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def certificate(folder: Path) -> Path:
    """A certificate of its own for 127.0.0.1, with its key, made by OpenSSL."""
    path, key = folder / "site.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=site", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path
