"""Runs the load generator, strace and strip, and keeps what they say."""

import collections
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import build
import servers

LOAD_SECONDS_MAX = 240


class Results:
    """The outcome of every run, by server, in the order of the rounds."""

    def __init__(self):
        self._outcomes = collections.defaultdict(list)
        self.syscalls = {}

    def add(self, server, run, outcome):
        self._outcomes[server.name, run].append(outcome)

    def values(self, server_name, run, path):
        """A figure per round; rounds that failed are missing."""
        found = []
        for outcome in self._outcomes[server_name, run]:
            for key in path:
                outcome = outcome.get(key) if outcome else None
            if outcome is not None:
                found.append(outcome)
        return found

    def median(self, server_name, run, path):
        values = self.values(server_name, run, path)
        return statistics.median(values) if values else None

    def has_failed(self, server_name, run):
        return None in self._outcomes[server_name, run]


def once(server, run):
    """What the load generator measured, or None when the run failed, which is said at once and does not stop the others."""
    try:
        with servers.running(server, run.ping_interval_ms) as (process, address):
            return load(process, address, run.load_arguments(server))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"    failed: {error}", flush=True)
        return None


def load(process, address, arguments):
    command = [
        *("taskset", "--cpu-list", str(servers.processors()[1]), str(build.LOAD)),
        *("--address", address, "--server-pid", str(process.pid)),
        *arguments,
    ]
    # A session of its own, so that its children end with it.
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output, _ = child.communicate(timeout=LOAD_SECONDS_MAX)
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with status {child.returncode}")
    return json.loads(output)


def syscalls(server):
    """System calls per item, by mode, as strace counts them; None without strace."""
    if not shutil.which("strace"):
        print("strace is missing: no system calls are counted", flush=True)
        return None
    modes = {
        "broadcast, 1,000 clients": ["broadcast", "--clients", "1000"],
        "echo, 100 clients": ["echo", "--clients", "100"],
        "echo, 100 clients with 8 in flight": ["echo", "--clients", "100", "--in-flight", "8"],
    }
    return {title: traced(server, arguments) for title, arguments in modes.items()}


def traced(server, arguments):
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as summary:
        try:
            with servers.running(server) as (process, address):
                tracer = subprocess.Popen(
                    ["strace", "-f", "-c", "-o", summary.name, "-p", str(process.pid)],
                    stderr=subprocess.DEVNULL,
                )
                try:
                    wait_for_tracer(process, tracer)
                    outcome = load(process, address, arguments)
                finally:
                    tracer.send_signal(signal.SIGINT)
                    tracer.wait()
        except RuntimeError as error:
            print(f"    strace of {server.name} failed: {error}", flush=True)
            return None
        items = outcome["figures"]["total_items"]
        return {name: calls / items for name, calls in parse_summary(summary.read()).items()}


def wait_for_tracer(process, tracer):
    while "TracerPid:\t0\n" in open(f"/proc/{process.pid}/status").read():
        if tracer.poll() is not None:
            raise RuntimeError("strace may not attach")
        time.sleep(0.01)


def parse_summary(text):
    """Calls by name. A line: share, seconds, microseconds per call, calls, errors if any, name."""
    line = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)
    return {name: int(calls) for calls, name in line.findall(text) if name != "total"}


def size(server):
    """KiB: resident memory of the server when it has just begun to listen, and its stripped binary."""
    with servers.running(server) as (process, _):
        status = open(f"/proc/{process.pid}/status").read()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
    return resident, stripped_kib(server)


def stripped_kib(server):
    if server.binary is None or not shutil.which("strip"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "stripped")
        subprocess.run(["strip", "-o", copy, str(server.binary)], check=True)
        return os.path.getsize(copy) / 1024
