"""A small service manager. It opens a socket, starts the program with it, starts it again whenever it ends, and prints what it is told.

Arguments: the path for notifications, and the command. SIGTERM ends both.
"""

import os
import signal
import socket
import subprocess
import sys
import threading


def say(line):
    print(line, flush=True)


def hear(notifications):
    while True:
        say(notifications.recv(4096).decode())


def main():
    path, *command = sys.argv[1:]
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notifications.bind("\0" + path[1:] if path.startswith("@") else path)
    threading.Thread(target=hear, args=(notifications,), daemon=True).start()
    passed = listener.fileno()
    environment = dict(os.environ, LISTEN_FDS="1", LISTEN_FDS_FIRST_FD=str(passed), NOTIFY_SOCKET=path, WATCHDOG_USEC="200000")
    is_ending = False
    child = None

    def end(*_):
        nonlocal is_ending
        is_ending = True
        child.terminate()

    while not is_ending:
        child = subprocess.Popen(command, pass_fds=[passed], env=environment, stdout=subprocess.DEVNULL)
        signal.signal(signal.SIGTERM, end)
        say(f"port {listener.getsockname()[1]} pid {child.pid}")
        say(f"ended {child.wait()}")


main()
