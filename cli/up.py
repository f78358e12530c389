"""``kadr up``: the whole service on this machine, with servers of its own where none are named."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from cli import running
from cli.checks import check, doubts
from cli.servers import ports
from cli.servers.process import LOOPBACK, Process, ServerFailed, free_port, gunicorn
from kadr.settings import InvalidSetting, Settings

if TYPE_CHECKING:
    from cli.servers.s3 import S3Server

DRAIN_S = 45.0
WATCH_S = 1.0
EVERYWHERE = ("0.0.0.0", "::")
WEB_TIMEOUT_S, WEB_GRACEFUL_S = 30, 10


@click.command("up")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Where the API listens."
)
@click.option("--host", default=LOOPBACK, show_default=True, help="Address on which the API listens.")
def command(port: int, host: str) -> None:
    """Start the service: API, inbox and functions, scaled from zero by what waits. Ctrl-C stops it; what it holds stays."""
    places = binds(host, port)
    settings = Settings.read()
    check(settings)
    for doubt in doubts(settings):
        click.echo(doubt, err=True)
    folder = settings.home / "service"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidSetting(
            f"KADR_HOME={str(settings.home)!r} will not do: {folder}: {error.strerror}"
        ) from error
    with ExitStack() as stack:
        stack.enter_context(running.alone(settings.home))
        patience_s = 0.0
        if running.place(settings.home).exists():  # who ends by himself takes it away
            patience_s = DRAIN_S
            click.echo(
                "the service that ran here was killed: ports that it still holds are waited for", err=True
            )
        ports.need(places, "--port", patience_s)
        control_port = _control_port(settings, port, patience_s)
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        servers = dict[str, Runs]()
        environment = _servers(stack, settings, folder, port, servers)
        reached = LOOPBACK if host in EVERYWHERE else f"[{host}]" if ":" in host else host
        os.environ.update(environment)
        if settings.public_url is None:
            os.environ["KADR_PUBLIC_URL"] = f"http://{reached}:{port}"
        _prepare()
        egress = _egress(stack, settings, folder)
        web = _web(folder, places, port)
        control = _control(folder, control_port)
        stack.callback(control.stop, DRAIN_S)
        stack.enter_context(web)
        control.start()
        control_url = f"http://{LOOPBACK}:{control_port}"
        running.write(settings.home, f"http://{reached}:{port}", control_url)
        stack.callback(running.remove, settings.home)
        _tell(host, f"http://{reached}:{port}", environment, settings, folder, control_url)
        others = {process.name: process for process in (web, control, *egress)}
        _watch(ended, {**servers, **others})
        click.echo("stopping: what is being computed may end, the rest waits for the next start", err=True)


class Runs(Protocol):
    """What is started again when it ends by itself."""

    @property
    def alive(self) -> bool: ...
    def start(self) -> object: ...


def _servers(
    stack: ExitStack, settings: Settings, folder: Path, port: int, started: dict[str, Runs]
) -> dict[str, str]:
    """Start what is not named, and put it into ``started``; the settings by which all processes find each other."""
    kept = _kept(folder / "settings.json")
    found: dict[str, str] = {
        "KADR_API_KEY": settings.api_key.get_secret_value() if settings.api_key else kept("api_key"),
        "KADR_NOTIFY_TOKEN": settings.notify_token.get_secret_value()
        if settings.notify_token
        else kept("notify_token"),
        "KADR_CALLBACK_SECRET": settings.callback_secret.get_secret_value()
        if settings.callback_secret
        else kept("callback_secret", _new_secret),
    }
    if settings.redis_url is None:
        from cli.servers.valkey import Valkey

        started["Valkey"] = valkey = stack.enter_context(Valkey(folder / "valkey"))
        found["KADR_REDIS_URL"] = valkey.url
    if settings.s3_endpoint is None:
        url = f"http://{LOOPBACK}:{port}/notifications"
        server = started["object store"] = _object_store(stack, folder, url, found["KADR_NOTIFY_TOKEN"])
        found |= {
            "KADR_S3_ENDPOINT": f"http://{server.endpoint}",
            "KADR_S3_ACCESS_KEY": server.access_key,
            "KADR_S3_SECRET_KEY": server.secret_key,
        }
    if settings.database_url is None:
        from cli.servers.postgres import Postgres

        started["PostgreSQL"] = database = stack.enter_context(Postgres(folder / "postgres"))
        found["KADR_DATABASE_URL"] = database.url
    return found


def _new_secret() -> str:
    from events.answers.signing import new_secret

    return new_secret()


def _object_store(stack: ExitStack, folder: Path, url: str, token: str) -> S3Server:
    from cli.servers.objects import object_store
    from cli.servers.s3 import Webhook

    port = _kept(folder / "settings.json")("s3_port", lambda: str(free_port()))
    server = object_store(folder / "objects", Webhook(url, token), int(port)).start()
    stack.callback(server.stop)
    return server


def _kept(path: Path) -> Callable[..., str]:
    """Values that are made once and stay: asked for by name."""

    def value(name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
        known: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        if name not in known:
            known[name] = make()
            new = path.with_name(f"{path.name}.new")
            new.unlink(missing_ok=True)  # of a start that was killed; the mode is that of whoever makes it
            with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
                json.dump(known, file)
            new.replace(path)
        return str(known[name])

    return value


def _prepare() -> None:
    """The bucket is there and tells of inbox and state; the index has its tables."""
    from cli.servers.s3 import ARN
    from cli.service import Service
    from index.migrations import migrate

    service = Service()
    service.client.make_bucket()
    service.bucket.notify(["inbox/", "state/"], ARN)
    if service.index is not None:
        with service.index.database.directly() as connection:
            migrate(connection)


def binds(host: str, port: int) -> list[str]:
    """Where the API listens: also on loopback, where the object store tells it of uploads. Raises BadParameter."""
    try:
        at = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(*at[:3]) as tried:
            tried.bind((at[4][0], 0))
    except OSError as error:
        raise click.BadParameter(
            f"{host!r} is no address of this machine ({error.strerror}): name one of its own, or 0.0.0.0 for all",
            param_hint="--host",
        ) from error
    address = str(at[4][0])
    place = f"[{address}]:{port}" if at[0] == socket.AF_INET6 else f"{address}:{port}"
    return [place] if address in (*EVERYWHERE, LOOPBACK) else [place, f"{LOOPBACK}:{port}"]


def _web(folder: Path, places: list[str], port: int) -> Process:
    command = gunicorn("cli.web:app", places, 16, WEB_TIMEOUT_S, WEB_GRACEFUL_S)
    web = Process("API", command, folder / "logs/web.log", lambda: web.listens(port))
    return web


def _egress(stack: ExitStack, settings: Settings, folder: Path) -> list[Process]:
    """The proxy by which all goes out, unless one is named; who is started afterwards finds it in the environment."""
    if settings.egress_proxy is not None:
        return []
    port = free_port()
    command = [sys.executable, "-m", "cli.egress", str(port)]
    os.environ["KADR_EGRESS_PROXY"] = f"http://{LOOPBACK}:{port}"
    egress = Process("egress", command, folder / "logs/egress.log", lambda: egress.listens(port))
    return [stack.enter_context(egress)]


def _control_port(settings: Settings, port: int, patience_s: float) -> int:
    """Where the control process answers for its health: a port that is free, unless it is set. Raises PortTaken."""
    if "control_port" not in settings.model_fields_set:
        return free_port()
    if settings.control_port == port:
        raise ports.PortTaken(f"port {port} is the API's: name another by KADR_CONTROL_PORT, or by --port")
    ports.need([f"{LOOPBACK}:{settings.control_port}"], "KADR_CONTROL_PORT", patience_s)
    return settings.control_port


def _control(folder: Path, port: int) -> Process:
    """The process that moves runs on."""
    command = [sys.executable, "-m", "cli.control", str(folder / "logs")]
    environment = {"KADR_CONTROL_PORT": str(port)}
    control = Process(
        "control", command, folder / "logs/control.log", lambda: control.listens(port), environment
    )
    return control


def _tell(
    host: str, url: str, environment: dict[str, str], settings: Settings, folder: Path, control: str
) -> None:
    said = [
        f"Kadr is up at {url} (Ctrl-C stops it; everything stays in {folder})",
        f"  API key      {environment['KADR_API_KEY']}; callbacks are signed by {environment['KADR_CALLBACK_SECRET']}",
    ]
    if endpoint := environment.get("KADR_S3_ENDPOINT"):
        said += [
            f"  object store {endpoint}, bucket {settings.s3_bucket}, access key {environment['KADR_S3_ACCESS_KEY']}, "
            f"secret key {environment['KADR_S3_SECRET_KEY']}",
            f"  inbox        drop a video at inbox/{settings.api_owner}/ANY-NAME in that bucket with any S3 client",
        ]
    said += [
        f"  metrics      {url}/metrics and {control}/metrics; logs are in {folder / 'logs'}",
        "  try          kadr submit VIDEO --wait, and kadr top beside it; kadr dlq lists what was given up",
    ]
    click.echo("\n".join([*said, *elsewhere(host, settings)]))


def elsewhere(host: str, settings: Settings) -> list[str]:
    """What who listens for other machines has not told us: how they reach what is on loopback."""
    said: list[str] = []
    if host in (LOOPBACK, "localhost", "::1"):
        return said
    if settings.s3_endpoint is None and settings.s3_public_endpoint is None:
        said += [
            f"  elsewhere    the object store listens on {LOOPBACK} alone: uploads and links to results fail from other machines",
            "               until S3_PUBLIC_ENDPOINT is the URL of a proxy before it that keeps the Host header",
        ]
    if host in EVERYWHERE and settings.public_url is None:
        said += [
            f"  elsewhere    links in answers begin with http://{LOOPBACK}: KADR_PUBLIC_URL is the API's URL as others reach it"
        ]
    return said


def _watch(ended: threading.Event, running: Mapping[str, Runs]) -> None:
    """Start again what ended by itself, until told to stop."""
    while not ended.wait(WATCH_S):
        for name, one in running.items():
            if not one.alive:
                click.echo(f"{name} ended by itself and is started again", err=True)
                try:
                    one.start()
                except ServerFailed as error:
                    click.echo(str(error), err=True)
