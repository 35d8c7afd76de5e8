#!/usr/bin/env python3
"""Measures imports from outside: how long they take, how good their estimates are, how
much memory they need, and how soon a cancellation takes effect.

    python3 benches/import/measure.py [--program FILE]... [--rounds N] [--bytes N] [--rejected PERCENT]

Each program (default: $PULSEWHEEL_BIN) imports the same generated scan, of which some rows have
a severity that nobody knows; several of them take turns, so that a busy machine is busy for all.
A round is: a server with an empty data directory, a first import, the same file again, and after
a restart the file under another label, first as fast as it goes and then at 10 MB/s. Then come
four imports at a time, and cancellations. It needs Linux and nothing but Python.

What the columns mean:

time            from the first byte of the upload to the end of the import, in seconds
ETA error       |estimate - time that was left|, in percent of the whole time, from a third
                of the whole time on: median and largest. Estimates are whole seconds, so half
                a second is no error.
bar error       |progress - part of the time that is over|, in percentage points: largest
CPU             processor time that the server took for that import, in seconds
no ETA          part of the readings from a third on that had no estimate, in percent
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
import uuid

PIECE_BYTES = 64 * 1024
READING_INTERVAL = 0.05
IMPORT = "/api/vulnerabilities/import"
# The step of an import that has been read, as its session tells it.
MERGING = "Saving findings"


class Server:
    """A program that runs, with a data directory of its own."""

    def __init__(self, program):
        self.program = program
        self.folder = tempfile.TemporaryDirectory(prefix="pulsewheel-bench-")
        self.start()

    def start(self):
        command = [self.program, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.folder.name]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        value = json.loads(answer.read() or b"null")
        connection.close()
        return answer.status, value

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self):
        with open(f"/proc/{self.process.pid}/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


class Upload(threading.Thread):
    """Sends a file, in a thread."""

    def __init__(self, server, file, vendor, bytes_per_second=None):
        super().__init__()
        self.server, self.file, self.vendor = server, file, vendor
        self.bytes_per_second = bytes_per_second
        self.session = str(uuid.uuid4())
        self.begun = time.monotonic()
        self.start()

    def run(self):
        boundary = "pulsewheel-bench"
        before = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="vendor"\r\n\r\n{self.vendor}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="csvFile"; filename="scan.csv"\r\n\r\n'
        ).encode()
        after = f"\r\n--{boundary}--\r\n".encode()
        length = len(before) + os.path.getsize(self.file) + len(after)

        def pieces():
            yield before
            with open(self.file, "rb") as file:
                while piece := file.read(PIECE_BYTES):
                    if self.bytes_per_second:
                        due = self.begun + file.tell() / self.bytes_per_second
                        time.sleep(max(0, due - time.monotonic()))
                    yield piece
            yield after

        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}
        connection.request("POST", f"{IMPORT}?sessionId={self.session}", body=pieces(), headers=headers)
        connection.getresponse().read()
        connection.close()

    def look(self):
        """The session as it is now: status of the answer, and the session."""
        status, body = self.server.call("GET", f"/api/sessions/{self.session}")
        return status, body.get("session")

    def until(self, is_reached):
        """Reads the session again and again; gives all readings as (seconds, session)."""
        readings = []
        while True:
            status, session = self.look()
            if session is not None:
                readings.append((time.monotonic() - self.begun, session))
            if is_reached(status, session):
                return readings
            time.sleep(READING_INTERVAL)

    def until_end(self):
        readings = self.until(lambda status, session: session is not None and session["status"] != "processing")
        self.join()
        session = readings[-1][1]
        if session["status"] != "completed":
            raise SystemExit(f"the import ended as {session['status']}: {session.get('error')}")
        return readings


def judge(readings):
    """Whole time, and the errors of the estimates."""
    whole = readings[-1][0]
    late = [(at, session) for at, session in readings[:-1] if at >= whole / 3]
    estimates = [(at, session["eta_seconds"]) for at, session in late if session.get("eta_seconds") is not None]
    errors = [100 * max(0, abs(eta - (whole - at)) - 0.5) / whole for at, eta in estimates] or [float("nan")]
    bar = max(100 * abs(session["progress"] - at / whole) for at, session in readings)
    without = 100 * (1 - len(estimates) / max(len(late), 1))
    return whole, statistics.median(errors), max(errors), bar, without


def one_round(program, file):
    with Server(program) as server:
        for label, vendor, bytes_per_second, is_restarted in (
            ("first import", "bench", None, False),
            ("the same again", "bench", None, False),
            ("other label, after a restart", "other", None, True),
            ("the same at 10 MB/s", "other", 10_000_000, True),
        ):
            if is_restarted:
                server.stop()
                server.start()
            cpu_before = server.cpu_seconds()
            readings = Upload(server, file, vendor, bytes_per_second).until_end()
            cpu = server.cpu_seconds() - cpu_before
            whole, median, largest, bar, without = judge(readings)
            session = readings[-1][1]
            rows, rejected = session["performance"]["rows_per_second"], session["summary"]["validation_errors"]
            print(
                f"  {program}: {label:28} time {whole:6.2f}  CPU {cpu:5.2f}  rows/s {rows:6}  rejected {rejected}"
                f"  ETA error {median:4.1f} {largest:5.1f}  bar error {bar:4.1f}  no ETA {without:3.0f}  peak {server.peak_mib():5.1f} MiB",
                flush=True,
            )
            yield label, whole, cpu


def four_at_a_time(program, file):
    with Server(program) as server:
        begun = time.monotonic()
        uploads = [Upload(server, file, f"bench-{number}") for number in range(4)]
        for upload in uploads:
            upload.until_end()
        print(f"  {program}: four at a time: {time.monotonic() - begun:.1f} s, peak {server.peak_mib():.1f} MiB", flush=True)


def cancellations(program, file):
    """From the request to the session that says that it is cancelled, in milliseconds."""
    for where in ("reading", "merging"):
        with Server(program) as server:
            upload = Upload(server, file, "bench")
            is_there = {
                "reading": lambda session: session["progress"] > 0.1,
                "merging": lambda session: session.get("current_step") == MERGING,
            }[where]
            upload.until(lambda _, session: session is not None and (is_there(session) or session["status"] != "processing"))
            begun = time.monotonic()
            status, _ = server.call("POST", f"/api/sessions/{upload.session}/cancel", "{}")
            answered = time.monotonic()
            upload.until(lambda status, _: status == 410)
            gone = time.monotonic()
            upload.join()
            print(
                f"  {program}: cancelled while {where}: answer {status} after {1000 * (answered - begun):.0f} ms,"
                f" ended after {1000 * (gone - begun):.0f} ms",
                flush=True,
            )


def generate(program, file, size, rejected_percent):
    """Writes a scan of about so many bytes; of a hundred rows so many are rejected."""
    command = [program, "generate", "--bytes", str(size - 1000)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as generated:
        rows = 0
        for line in generated.stdout:
            # The last line of a row ends with severity and state.
            if line.count(b",") >= 4 and not line.startswith(b"asset.id") and b"Path : " in line:
                rows += 1
                if rows * rejected_percent // 100 > (rows - 1) * rejected_percent // 100:
                    fields = line.split(b",")
                    fields[-2] = b"Xyzzy"
                    line = b",".join(fields)
            file.write(line)
    if generated.returncode:
        raise SystemExit("no scan was generated")
    file.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", action="append", help="path of a built program; may be given several times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bytes", type=int, default=100_000_000)
    parser.add_argument("--rejected", type=int, default=1, metavar="PERCENT", help="of the rows (default: 1)")
    options = parser.parse_args()
    programs = options.program or [os.environ["PULSEWHEEL_BIN"]]
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        generate(programs[0], file, options.bytes, options.rejected)
        times = {}
        for number in range(options.rounds):
            print(f"round {number + 1}")
            for program in programs:
                for label, *seconds in one_round(program, file.name):
                    times.setdefault((label, program), []).append(seconds)
        print("best and median of the rounds")
        for (label, program), values in times.items():
            wholes, cpus = zip(*values)
            print(
                f"  {program}: {label:28} time {min(wholes):6.2f} {statistics.median(wholes):6.2f}"
                f"  CPU {min(cpus):5.2f} {statistics.median(cpus):5.2f}"
            )
        for program in programs:
            four_at_a_time(program, file.name)
            cancellations(program, file.name)


if __name__ == "__main__":
    main()
