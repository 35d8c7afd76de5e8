"""Builds and installs what is measured. Only what is missing or old is done."""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
NODE_PEER = HERE / "peers" / "socket.io"
PYTHON_PEER = HERE / "peers" / "python-socketio"

_target = os.environ.get("CARGO_TARGET_DIR")
BENCH_TARGET = pathlib.Path(_target).resolve() if _target else HERE / "target"
ROOT_TARGET = pathlib.Path(_target).resolve() if _target else ROOT / "target"
LOAD = BENCH_TARGET / "release" / "load"


def build(contestants):
    names = {server.name for server in contestants}
    packages = ["load"]
    if "floor" in names:
        packages.append("floor")
    if "socketioxide" in names:
        packages.append("peer-socketioxide")
    selected = [flag for package in packages for flag in ("--package", package)]
    run(["cargo", "build", "--release", "--locked", "--quiet", *selected], HERE)
    if "pulsewheel" in names:
        echo = ["--package", "pulsewheel", "--example", "echo"]
        run(["cargo", "build", "--release", "--locked", "--quiet", *echo], ROOT)
        if has_small_profile():
            flags = ["--profile", "min-size", "--no-default-features"]
            run(["cargo", "build", *flags, "--locked", "--quiet", *echo], ROOT)
    if "socket.io" in names:
        install_node_peer()
    if "python-socketio" in names:
        install_python_peer()


def has_small_profile():
    return "[profile.min-size]" in (ROOT / "Cargo.toml").read_text()


def install_node_peer():
    stamp = NODE_PEER / "node_modules" / ".package-lock.json"
    if is_old(stamp, NODE_PEER / "package-lock.json"):
        run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], NODE_PEER)
        stamp.touch()


def install_python_peer():
    stamp = PYTHON_PEER / ".venv" / "ready"
    requirements = PYTHON_PEER / "requirements.txt"
    if is_old(stamp, requirements):
        run([sys.executable, "-m", "venv", ".venv"], PYTHON_PEER)
        pip = [".venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--requirement", str(requirements)], PYTHON_PEER)
        stamp.touch()


def is_old(stamp, source):
    return not stamp.exists() or stamp.stat().st_mtime < source.stat().st_mtime


def run(command, folder):
    try:
        subprocess.run(command, cwd=folder, check=True)
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is missing.") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"failed in {folder}: {' '.join(command)} ({error.returncode})") from None
