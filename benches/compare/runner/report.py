"""The page of results, in Markdown."""

import datetime
import json
import platform
import re
import statistics
import subprocess

import build
import plan

HEAD = """\
# Results

Written by `make compare`; the [README](README.md) says what is measured and how. {rounds} Processor time is that of the
server, system calls included; payloads have 300 bytes.
"""


def page(contestants, runs, results, sizes, rounds, clients, minutes):
    names = [server.name for server in contestants]
    context = Context(names, set(runs), results, rounds)
    parts = [
        HEAD.format(rounds=rounds_text(rounds)),
        notes(contestants, clients),
        cpu_table(context, plan.cpu_rows(clients)),
        goals_table(context, plan.cpu_rows(clients), sizes),
        latency_table(context, plan.latency_runs(clients)),
        paced_table(context, plan.cpu_rows(clients)),
        churn_table(context, plan.churn(clients)),
        size_table(sizes),
        syscall_tables(results),
        environment(names, minutes),
    ]
    return "\n".join(part for part in parts if part)


def rounds_text(rounds):
    if rounds == 1:
        return "One round, so that no spread is known."
    return f"Medians of {rounds} interleaved rounds, the smallest and the largest in brackets."


class Context:
    def __init__(self, names, runs, results, rounds):
        self.names = names
        self.runs = runs
        self.results = results
        self.rounds = rounds


def table(head, lines):
    rows = [head, ["---"] + ["---:"] * (len(head) - 1), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def number(value, digits=2):
    return "–" if value is None else f"{value:,.{digits}f}"


def spread(values, digits=2):
    """The median, and the range where there are several rounds."""
    if not values:
        return "–"
    median = number(statistics.median(values), digits)
    if len(values) == 1:
        return median
    return f"{median} ({number(min(values), digits)}–{number(max(values), digits)})"


def notes(contestants, clients):
    lines = []
    if clients < plan.CLIENTS:
        lines.append(
            f"**With {clients:,} clients in the large runs**, not {plan.CLIENTS:,}: that many were asked for, or the limit"
            " of descriptors allows no more."
        )
    for server in contestants:
        if server.clients_max < clients:
            lines.append(
                f"{server.name} takes part in the large runs with {server.clients_max:,} clients, for more take minutes to join."
            )
    return "\n\n".join(lines) + "\n" if lines else ""


def cpu_table(context, rows):
    lines = []
    for row in rows:
        if row.run in context.runs:
            cells = [cell(context, name, row) for name in context.names]
            lines.append([row.title, *cells])
    if not lines:
        return ""
    return "## Processor time and memory\n\n" + table(["", *context.names], lines)


def cell(context, name, row):
    text = spread(context.results.values(name, row.run, row.path), row.digits)
    return text + " *" if context.results.has_failed(name, row.run) else text


def goals_table(context, rows, sizes):
    lines = []
    for row in rows:
        if row.goal and row.run in context.runs:
            line = goal_line(context, row)
            if line:
                lines.append(line)
    lines += size_goals(sizes)
    if not lines:
        return ""
    text = "## Goals\n\nRatios are taken within each round. A goal within the spread of the rounds counts as met.\n\n"
    return text + table(["", "goal", "pulsewheel", ""], lines)


def goal_line(context, row):
    own = context.results.values("pulsewheel", row.run, row.path)
    if row.goal.than is None:
        return [row.title, number(row.goal.limit, row.digits), spread(own, row.digits), verdict(own, row.goal.limit)]
    other = context.results.values(row.goal.than, row.run, row.path)
    if not other:
        return None
    if len(own) != len(other):
        # A round failed, so that the rounds no longer pair up.
        own, other = [statistics.median(own)] if own else [], [statistics.median(other)]
    ratios = [a / b for a, b in zip(own, other)]
    goal = f"{row.goal.limit:.2f} × {row.goal.than}"
    return [row.title, goal, spread(ratios), verdict(ratios, row.goal.limit)]


def verdict(values, limit):
    if not values:
        return "not measured"
    if statistics.median(values) <= limit:
        return "met"
    return "met within the spread" if min(values) <= limit else "**missed**"


def size_goals(sizes):
    small = sizes.get("pulsewheel, min-size")
    if not small:
        return []
    resident, binary = small
    lines = [["empty server, built for size: resident KiB", "2,500", number(resident, 0), verdict([resident], 2500)]]
    if binary is not None:
        lines.append(["stripped binary, built for size: KiB", "700", number(binary, 0), verdict([binary], 700)])
    return lines


def latency_table(context, runs):
    lines = []
    for run in runs:
        if run in context.runs:
            cells = [percentiles(context, name, run, "figures") for name in context.names]
            lines.append([run.title, *cells])
    if not lines:
        return ""
    has_priority = all(
        all(context.results.values(name, run, ("figures", "has_priority"))) for run in runs for name in context.names
    )
    text = (
        "## Latency\n\nMilliseconds from sending to the answer for one client with an echo each millisecond, while the others"
        " do what the line says: median / 99th / 99.9th percentile / maximum, medians of the rounds.\n"
    )
    if not has_priority:
        text += (
            "\nchrt(1) could not give that client real-time priority here, so that it also waited for the load generator"
            " on the same processor.\n"
        )
    return text + "\n" + table(["during", *context.names], lines)


def paced_table(context, rows):
    run = next(row.run for row in rows if row.run.mode == "paced")
    if run not in context.runs:
        return ""
    cells = [percentiles(context, name, run, "figures", "latency") for name in context.names]
    text = (
        "## Delivery of a paced broadcast\n\nMilliseconds from the sender's request to each client's event, one broadcast"
        " every 100 ms to 1,000 clients; the load generator's own reading is part of it.\n\n"
    )
    return text + table(["", *context.names], [["median / 99th / 99.9th / maximum", *cells]])


def percentiles(context, name, run, *path):
    keys = ("p50_us", "p99_us", "p999_us", "max_us")
    medians = [context.results.median(name, run, (*path, key)) for key in keys]
    if None in medians:
        return "failed" if context.results.has_failed(name, run) else "–"
    closed = context.results.median(name, run, (*path, "closed"))
    return " / ".join(milliseconds(us / 1000) for us in medians) + (f" ({closed:.0f} closed)" if closed else "")


def milliseconds(value):
    return number(value, 2 if value < 10 else 1 if value < 100 else 0)


def churn_table(context, run):
    if run not in context.runs:
        return ""
    lines = []
    for name in context.names:
        resident = context.results.values(name, run, ("figures", "resident_kib"))
        if resident:
            steps = [number(statistics.median(step), 0) for step in zip(*resident)]
            cpu = spread(context.results.values(name, run, ("figures", "cpu_us")))
            lines.append([name, cpu, *steps])
    head = ["", "µs per connect and close", "KiB empty", "after round 1", "2", "3"]
    text = f"## Churn\n\nResident memory after each of {run.title}.\n\n"
    return text + table(head, lines)


def size_table(sizes):
    if not sizes:
        return ""
    lines = [[name, number(resident, 0), number(binary, 0)] for name, (resident, binary) in sizes.items()]
    return "## Size\n\n" + table(["", "empty server, resident KiB", "stripped binary, KiB"], lines)


def syscall_tables(results):
    if not results.syscalls:
        return ""
    text = (
        "## System calls\n\nCalls per delivery or round trip by `strace -c`, with those of the joining clients in them;"
        " less than one in a hundred items is left out.\n\n"
    )
    if None in results.syscalls.values():
        return text + "strace is missing on this machine.\n"
    lines = []
    titles = next(iter(results.syscalls.values())).keys()
    for title in titles:
        for name, counts in results.syscalls.items():
            calls = sorted((counts[title] or {}).items(), key=lambda call: -call[1])
            shown = ", ".join(f"{call} {rate:.2f}" for call, rate in calls if rate >= 0.01)
            lines.append([title, name, shown or "failed"])
    return text + table(["", "server", "calls per item"], lines)


def environment(names, minutes):
    cpu = re.search(r"model name\s*:\s*(.+)", open("/proc/cpuinfo").read())
    memory_kib = int(re.search(r"MemTotal:\s+(\d+)", open("/proc/meminfo").read())[1])
    versions = {
        "pulsewheel": lambda: [rust_version()],
        "socketioxide": lambda: [f"socketioxide {locked('socketioxide')}", f"tokio {locked('tokio')}"],
        "socket.io": lambda: [f"socket.io {node_package('socket.io')}", f"ws {node_package('ws')}", f"Node {node()}"],
        "python-socketio": lambda: [*python_packages(), f"Python {python()}"],
    }
    listed = [text for name in names if name in versions for text in versions[name]()]
    return "\n".join(
        [
            "## Where\n",
            f"- {datetime.date.today().isoformat()}, {minutes:.0f} minutes",
            f"- {cpu[1] if cpu else platform.machine()}, two processors used, {memory_kib / 2**20:.0f} GiB",
            f"- {platform.system()} {platform.release()}, TCP congestion control {congestion_control()}",
            f"- {', '.join(listed)}",
            "",
        ]
    )


def congestion_control():
    return open("/proc/sys/net/ipv4/tcp_congestion_control").read().strip()


def rust_version():
    return " ".join(output(["rustc", "--version"]).split()[:2])


def locked(package):
    lock = (build.HERE / "Cargo.lock").read_text()
    found = re.search(rf'name = "{package}"\nversion = "([^"]+)"', lock)
    return found[1] if found else "?"


def node_package(name):
    return json.loads((build.NODE_PEER / "node_modules" / name / "package.json").read_text())["version"]


def node():
    return output(["node", "--version"]).removeprefix("v")


def python():
    return output([str(build.PYTHON_PEER / ".venv/bin/python"), "--version"]).split()[-1]


def python_packages():
    lines = (build.PYTHON_PEER / "requirements.txt").read_text().splitlines()
    return [line.replace("==", " ") for line in lines if "==" in line]


def output(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
