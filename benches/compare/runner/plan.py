"""What is measured, and the goals."""

import dataclasses

# Clients of the large runs: the default limit of descriptors on many systems leaves room for them in each of two processes.
CLIENTS = 10_000
MODES = "connect idle broadcast burst echo paced polling churn latency syscalls size".split()
SYSCALL_SERVERS = ["floor", "pulsewheel"]
# Pings come so often that each client gets one while the idle server is watched.
IDLE_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Run:
    """A server is started, the load generator runs once, the server is ended."""

    mode: str
    title: str
    clients: int
    flags: tuple = ()
    ping_interval_ms: int = 25_000
    """The floor knows no polling."""
    has_floor: bool = True

    def is_skipped_for(self, server):
        return server.name == "floor" and not self.has_floor

    def clients_for(self, server):
        return min(self.clients, server.clients_max)

    def load_arguments(self, server):
        return [self.mode, "--clients", str(self.clients_for(server)), *self.flags]


@dataclasses.dataclass(frozen=True)
class Goal:
    """`limit` times the figure of the server `than`, or `limit` itself when that is None."""

    limit: float
    than: object = "floor"


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the first table: where its figure is in the result of a run."""

    title: str
    run: Run
    path: tuple
    goal: object = None
    digits: int = 2


def runs(clients):
    return [row.run for row in cpu_rows(clients) if row.path != BYTES] + latency_runs(clients) + [churn(clients)]


CPU = ("figures", "cpu_us")
BYTES = ("connect", "bytes_per_client")


def cpu_rows(clients):
    many = f"{clients:,} clients"
    idle = Run(
        "idle",
        f"idle, {many}",
        clients,
        ("--seconds", str(IDLE_SECONDS)),
        ping_interval_ms=IDLE_SECONDS * 1000,
    )

    def row(mode, title, count, limit=None, flags=()):
        goal = Goal(limit) if limit else None
        return Row(title, Run(mode, title, count, flags), CPU, goal)

    return [
        row("broadcast", "broadcast, 1,000 clients: µs per delivery", 1000, 1.10),
        row("broadcast", f"broadcast, {many}: µs per delivery", clients, 1.10),
        row("burst", "burst of 10 events, 1,000 clients: µs per delivery", 1000, 1.15),
        row("paced", "an event every 100 ms, 1,000 clients: µs per delivery", 1000),
        row("echo", "echo, 1,000 clients: µs per round trip", 1000, 1.15),
        row("echo", "echo, 100 clients with 8 in flight: µs per round trip", 100, 1.20, ("--in-flight", "8")),
        Row(
            "polling, 200 clients: µs per POST and GET",
            Run("polling", "polling, 200 clients", 200, has_floor=False),
            CPU,
            Goal(0.5, than="socketioxide"),
        ),
        Row(
            f"connect and join, {many}: µs per client",
            Run("connect", f"connect, {many}", clients),
            ("connect", "cpu_us"),
            Goal(1.30),
        ),
        Row(f"idle, {many}: µs per ping and pong", idle, CPU, Goal(1.25)),
        Row(f"idle, {many}: resident bytes per client", idle, BYTES, Goal(900, than=None), digits=0),
    ]


HOSTILE_CLIENTS = 16
# What fills the sockets of hostile clients, by the load generator's name for it.
HOSTILE = {
    "large": "events of 200 kB",
    "pongs": "empty pongs",
    "noops": "Engine.IO noop packets",
    "continuations": "empty continuations",
    "events": "events named by a number",
    "namespaces": "events for an unknown namespace",
    "chunks": "POSTs in chunks of one byte",
}


def latency_runs(clients):
    def run(during, title, count, has_floor=True):
        return Run("latency", title, count, ("--during", during, "--seconds", "3"), has_floor=has_floor)

    hostile = [
        run(name, f"{HOSTILE_CLIENTS} connections full of {what}", HOSTILE_CLIENTS, has_floor=name != "chunks")
        for name, what in HOSTILE.items()
    ]

    storm = min(clients, 5000)
    return [
        run("nothing", "nothing else", 1),
        run("broadcast", f"broadcasts to {clients:,} clients, 100 ms between them", clients),
        run("storm", f"{storm:,} clients that leave and come again, over and over", storm),
        run("flood", "one client with 1,000 echoes in flight", 1),
        *hostile,
    ]


def churn(clients):
    count = min(clients, 2000)
    return Run("churn", f"three rounds of {count:,} connects and closes", count)
