"""The servers, and how each is started and ended."""

import contextlib
import dataclasses
import os
import select
import signal
import subprocess
import time

import build

START_SECONDS = 20
STOP_SECONDS = 10
PREFIX = "listening on http://"


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    command: tuple
    """The file whose size counts; none for what an interpreter runs."""
    binary: object = None
    """More clients than this would take minutes to join."""
    clients_max: int = 1_000_000


def binary_server(name, path):
    return Server(name, (str(path),), binary=path)


ALL = [
    binary_server("floor", build.BENCH_TARGET / "release" / "floor"),
    binary_server("pulsewheel", build.ROOT_TARGET / "release" / "examples" / "echo"),
    binary_server("socketioxide", build.BENCH_TARGET / "release" / "peer-socketioxide"),
    Server("socket.io", ("node", str(build.NODE_PEER / "server.mjs"))),
    Server(
        "python-socketio",
        (str(build.PYTHON_PEER / ".venv/bin/python"), str(build.PYTHON_PEER / "server.py")),
        clients_max=2000,
    ),
]


def small_build_of(contestants):
    """pulsewheel built for size, measured only for what it takes when it is empty."""
    if not build.has_small_profile() or all(server.name != "pulsewheel" for server in contestants):
        return []
    path = build.ROOT_TARGET / "min-size" / "examples" / "echo"
    return [binary_server("pulsewheel, min-size", path)]


def processors():
    """One for the server, one for the load."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("Two processors are needed: one for the server, one for the load.")
    return allowed[0], allowed[1]


@contextlib.contextmanager
def running(server, ping_interval_ms=25_000):
    """Runs a server for a `with` block, which gets the process and its address."""
    flags = ["--listen", "127.0.0.1:0", "--ping-interval", str(ping_interval_ms)]
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(processors()[0]), *server.command, *flags],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, address_of(process, server)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def address_of(process, server):
    """What the first line of the server says, as soon as it says it."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        readable, _, _ = select.select([process.stdout], [], [], 0.1)
        if readable:
            line = process.stdout.readline().strip()
            if line.startswith(PREFIX):
                return line.removeprefix(PREFIX)
            break
    raise RuntimeError(f"{server.name} did not say where it listens")
