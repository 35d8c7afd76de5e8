"""The protocol of this project's `echo` example, served by python-socketio on uvicorn with uvloop."""

import argparse
import socket

import socketio
import uvicorn


def parse_flags():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--ping-interval", type=int, default=25_000)
    parser.add_argument("--ping-timeout", type=int, default=20_000)
    return parser.parse_args()


def register(sio, namespace):
    async def connect(sid, environ, auth=None):
        await sio.emit("auth", auth or {}, to=sid, namespace=namespace)

    async def echo(sid, *args):
        await sio.emit("echo", args, to=sid, namespace=namespace)

    async def broadcast(sid, *args):
        await sio.emit("broadcast", args, namespace=namespace)

    async def tick_all(sid, count, size):
        text = "x" * size
        for _ in range(count):
            await sio.emit("tick", text, namespace=namespace)

    sio.on("connect", connect, namespace=namespace)
    sio.on("echo", echo, namespace=namespace)
    sio.on("broadcast", broadcast, namespace=namespace)
    sio.on("tick-all", tick_all, namespace=namespace)


def main():
    flags = parse_flags()
    sio = socketio.AsyncServer(
        async_mode="asgi",
        ping_interval=flags.ping_interval / 1000,
        ping_timeout=flags.ping_timeout / 1000,
        # The greeting must follow the answer to CONNECT.
        always_connect=True,
        # Handlers run in the task of their connection, in the order of the events and without a task for each.
        async_handlers=False,
    )
    for namespace in ("/", "/custom"):
        register(sio, namespace)

    host, port = flags.listen.rsplit(":", 1)
    listener = socket.create_server((host, int(port)), backlog=4096)
    print(f"listening on http://{host}:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        socketio.ASGIApp(sio),
        loop="uvloop",
        http="httptools",
        # Engine.IO has a heartbeat of its own.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        log_level="critical",
    )
    uvicorn.Server(config).run(sockets=[listener])


main()
