"""Measures all servers beside each other and writes a page of results. See the README beside this folder."""

import argparse
import resource
import signal
import sys
import time

import build
import measure
import plan
import report
import servers

# What a server needs besides its clients: standard streams, listener, epoll, the client that latency is measured with.
DESCRIPTORS_BESIDE_CLIENTS = 100


def main():
    flags = parse_flags()
    # The end of this program ends what it has started: SystemExit runs every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    clients = raise_descriptor_limit(flags.clients)
    runs = [run for run in plan.runs(clients) if run.mode in flags.modes]
    contestants = [server for server in servers.ALL if server.name in flags.only]

    print("building", flush=True)
    build.build(contestants)
    started = time.monotonic()
    results = measure.Results()
    for number in range(1, flags.rounds + 1):
        for server in contestants:
            for run in runs:
                if not run.is_skipped_for(server):
                    print(f"round {number} of {flags.rounds}: {server.name}: {run.title}", flush=True)
                    results.add(server, run, measure.once(server, run))
    if "syscalls" in flags.modes:
        for server in contestants:
            if server.name in plan.SYSCALL_SERVERS:
                results.syscalls[server.name] = measure.syscalls(server)
    sizes = {}
    if "size" in flags.modes:
        for server in contestants + servers.small_build_of(contestants):
            sizes[server.name] = measure.size(server)

    is_whole = flags.is_default and clients == plan.CLIENTS
    path = build.HERE / ("RESULTS.md" if is_whole else "RESULTS.local.md")
    path.write_text(
        report.page(
            contestants=contestants,
            runs=runs,
            results=results,
            sizes=sizes,
            rounds=flags.rounds,
            clients=clients,
            minutes=(time.monotonic() - started) / 60,
        )
    )
    print(f"written: {path}")


def parse_flags():
    names = [server.name for server in servers.ALL]
    parser = argparse.ArgumentParser(prog="make compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="servers, by default all: " + " ".join(names))
    parser.add_argument("--modes", default="", help="by default all: " + " ".join(plan.MODES))
    parser.add_argument("--clients", type=int, default=plan.CLIENTS, help="clients of the large runs")
    flags = parser.parse_args()
    flags.is_default = not flags.only and not flags.modes and flags.rounds == 3
    flags.only = flags.only.split() or names
    flags.modes = flags.modes.split() or plan.MODES
    unknown = set(flags.only) - set(names) | set(flags.modes) - set(plan.MODES)
    if unknown:
        parser.error(f"no such server or mode: {' '.join(sorted(unknown))}")
    if flags.rounds < 1 or flags.clients < 1:
        parser.error("--rounds and --clients must be at least 1")
    return flags


def raise_descriptor_limit(wanted):
    """Returns how many clients there can be: the limit holds for the server and for the load generator alike."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, hard - DESCRIPTORS_BESIDE_CLIENTS)


if __name__ == "__main__":
    main()
