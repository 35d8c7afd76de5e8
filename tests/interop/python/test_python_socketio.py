"""python-socketio against the example server `echo`: its sync and its asyncio client, over every transport.

Run with `python -m unittest` in this folder; PULSEWHEEL_ECHO names the built example.
"""

import asyncio
import os
import re
import subprocess
import time
import unittest

import socketio

LIMIT_S = 15
SERVER = None
URL = None


def setUpModule():
    global SERVER, URL
    binary = os.environ.get("PULSEWHEEL_ECHO")
    if not binary:
        raise RuntimeError('set PULSEWHEEL_ECHO to the path of the built example "echo"')
    # The sync client waits for its last poll when it disconnects, and sometimes its own threads overtake the close
    # packet: then the next ping has to end the poll, and that should not take the usual 25 s.
    command = [binary, "--listen", "127.0.0.1:0", "--ping-interval", "1000", "--ping-timeout", "20000"]
    SERVER = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = SERVER.stdout.readline()
    match = re.fullmatch(r"listening on (http://\S+:\d+)\n", line)
    if not match:
        SERVER.kill()
        raise RuntimeError(f"first line of the server: {line!r}")
    URL = match.group(1)


def tearDownModule():
    SERVER.terminate()
    try:
        status = SERVER.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        SERVER.kill()
        raise
    finally:
        SERVER.stdout.close()
    assert status == 0, f"the server ended with {status}"


class Log:
    """The events that a client got, in order, as (name, argument, ...)."""

    def __init__(self):
        self.events = []
        self.reasons = []

    def of(self, name):
        return [event[1:] for event in self.events if event[0] == name]

    def attach(self, client, namespaces=("/",)):
        for namespace in namespaces:

            def note(event, *args, namespace=namespace):
                self.events.append((event if namespace == "/" else f"{namespace} {event}", *args))

            client.on("*", note, namespace=namespace)
            client.on("disconnect", lambda reason: self.reasons.append(reason), namespace=namespace)


class SyncClient:
    """What every transport has to do with the sync client; subclasses name the transports."""

    transports = None
    last_transport = None

    def connect(self, namespaces=("/",), **options):
        client = socketio.Client(reconnection=False)
        log = Log()
        log.attach(client, namespaces)
        self.addCleanup(client.disconnect)
        client.connect(URL, transports=self.transports, namespaces=list(namespaces), wait_timeout=LIMIT_S, **options)
        self.assertEqual(client.transport(), self.last_transport)
        return client, log

    def wait(self, condition, what):
        end = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > end:
                self.fail(f"no {what} within {LIMIT_S} s")
            time.sleep(0.005)

    def test_the_auth_payload_arrives(self):
        auth = {"token": "geheim ä", "list": [1, None, {"deep": True}]}
        _, log = self.connect(auth=auth)
        self.wait(lambda: log.of("auth"), "auth event")
        self.assertEqual(log.of("auth"), [(auth,)])

    def test_without_auth_an_empty_object_arrives(self):
        _, log = self.connect()
        self.wait(lambda: log.of("auth"), "auth event")
        self.assertEqual(log.of("auth"), [({},)])

    def test_every_json_type_comes_back(self):
        client, log = self.connect()
        args = (None, True, 0, -1.5, "Grüße 世界 🚀 \x1e", [], {}, [[1, {"a": [None]}]])
        client.emit("message", args)
        self.wait(lambda: log.of("message-back"), "echo")
        self.assertEqual(log.of("message-back"), [args])

    def test_binary_at_any_depth_comes_back(self):
        client, log = self.connect()
        data = {"list": [b"\x00\x01\xff", {"deep": b""}], "text": "t"}
        client.emit("message", (data, b"second"))
        self.wait(lambda: log.of("message-back"), "echo")
        self.assertEqual(log.of("message-back"), [(data, b"second")])

    def test_a_large_text_comes_back(self):
        client, log = self.connect()
        text = "ä世🚀" * 20_000
        client.emit("echo", text)
        self.wait(lambda: log.of("echo"), "echo")
        self.assertTrue(log.of("echo")[0][0] == text)

    def test_the_server_acknowledges(self):
        client, _ = self.connect()
        self.assertEqual(client.call("message-with-ack", ("a", {"b": b"\x07"})), ("a", {"b": b"\x07"}))
        self.assertEqual(client.call("message-with-ack", "one"), "one")
        self.assertIsNone(client.call("message-with-ack"))

    def test_the_client_acknowledges(self):
        client, log = self.connect()
        client.on("question", lambda *args: ("answer to", *args, b"\x08"))
        client.emit("ask", ("what?", {"n": 1}))
        self.wait(lambda: log.of("answer"), "answer")
        self.assertEqual(log.of("answer"), [("answer to", "what?", {"n": 1}, b"\x08")])

    def test_rooms_reach_their_members_except_the_sender(self):
        (a, log_a), (b, log_b) = self.connect(), self.connect()
        room = f"python sync {a.get_sid()}"
        self.assertIsNone(a.call("join", room))
        self.assertIsNone(b.call("join", room))
        a.emit("to-room", (room, "hello", b"\x01"))
        self.wait(lambda: log_b.of("room-message"), "room message")
        self.assertEqual(log_b.of("room-message"), [("hello", b"\x01")])
        b.call("leave", room)
        a.emit("to-room", (room, "nobody"))
        for client in (a, b):
            client.call("message-with-ack")
        self.assertEqual((log_a.of("room-message"), len(log_b.of("room-message"))), ([], 1))

    def test_namespaces_share_a_connection(self):
        client, log = self.connect(namespaces=("/", "/custom"), auth={"t": 1})
        self.wait(lambda: log.of("auth") and log.of("/custom auth"), "auth events")
        self.assertEqual(log.of("/custom auth"), [({"t": 1},)])
        self.assertEqual(client.call("message-with-ack", "c", namespace="/custom"), "c")
        client.emit("message", "main")
        self.wait(lambda: log.of("message-back"), "echo")
        self.assertEqual(log.of("/custom message-back"), [])

    def test_an_unknown_namespace_is_refused(self):
        client = socketio.Client(reconnection=False)
        errors = []
        client.on("connect_error", errors.append, namespace="/nope")
        self.addCleanup(client.disconnect)
        with self.assertRaises(socketio.exceptions.ConnectionError):
            client.connect(URL, transports=self.transports, namespaces=["/nope"], wait_timeout=LIMIT_S)
        self.assertEqual(errors, [{"message": "Invalid namespace"}])

    def test_hundreds_of_packets_queued_at_once_arrive_in_order(self):
        client, log = self.connect()
        client.emit("flood", (300, 5))
        self.wait(lambda: len(log.of("flood-message")) == 300 or not client.connected, "flood")
        self.assertEqual(log.of("flood-message"), [(n,) for n in range(5, 305)])
        self.assertEqual(client.call("message-with-ack", "still here"), "still here")

    def test_many_events_of_the_client_are_handled_in_order(self):
        client, log = self.connect()
        for n in range(100):
            client.emit("echo", (n, b"x") if n % 3 == 0 else n)
        self.wait(lambda: len(log.of("echo")) == 100 or not client.connected, "echoes")
        self.assertEqual([args[0] for args in log.of("echo")], list(range(100)))

    def test_the_server_disconnects(self):
        for close in (True, False):
            client, log = self.connect()
            client.emit("kick", close)
            self.wait(lambda: log.reasons, "disconnect")
            self.assertEqual(log.reasons[0], client.reason.SERVER_DISCONNECT)
            self.wait(lambda: not client.connected, "end of the connection")

    def test_the_client_disconnects_and_comes_back(self):
        client, log = self.connect()
        first = client.get_sid()
        client.disconnect()
        client.connect(URL, transports=self.transports, wait_timeout=LIMIT_S)
        self.assertNotEqual(client.get_sid(), first)
        self.assertEqual(client.call("message-with-ack", "back"), "back")


class SyncPolling(SyncClient, unittest.TestCase):
    transports = ["polling"]
    last_transport = "polling"


class SyncWebSocket(SyncClient, unittest.TestCase):
    transports = ["websocket"]
    last_transport = "websocket"


class SyncUpgrade(SyncClient, unittest.TestCase):
    transports = ["polling", "websocket"]
    last_transport = "websocket"


class AsyncClient:
    """What every transport has to do with the asyncio client."""

    transports = None
    last_transport = None

    async def connect(self, **options):
        client = socketio.AsyncClient(reconnection=False)
        log = Log()
        log.attach(client)
        self.addAsyncCleanup(self.leave, client)
        await client.connect(URL, transports=self.transports, wait_timeout=LIMIT_S, **options)
        self.assertEqual(client.transport(), self.last_transport)
        return client, log

    async def leave(self, client):
        await client.disconnect()
        # A client that was disconnected by the server leaves its HTTP session open.
        if client.eio.http and not client.eio.http.closed:
            await client.eio.http.close()

    async def wait(self, condition, what):
        async def watch():
            while not condition():
                await asyncio.sleep(0.005)

        try:
            await asyncio.wait_for(watch(), LIMIT_S)
        except asyncio.TimeoutError:
            self.fail(f"no {what} within {LIMIT_S} s")

    async def test_auth_echo_and_binary(self):
        client, log = await self.connect(auth={"token": "t"})
        await client.emit("message", (1, "zwei", [b"\x03", {"vier": None}]))
        await self.wait(lambda: log.of("message-back"), "echo")
        self.assertEqual(log.of("auth"), [({"token": "t"},)])
        self.assertEqual(log.of("message-back"), [(1, "zwei", [b"\x03", {"vier": None}])])

    async def test_acks_in_both_directions(self):
        client, log = await self.connect()

        async def answer(*args):
            return ("answer to", *args)

        client.on("question", answer)
        self.assertEqual(await client.call("message-with-ack", ("a", b"b")), ("a", b"b"))
        await client.emit("ask", ("what?", b"\x01"))
        await self.wait(lambda: log.of("answer"), "answer")
        self.assertEqual(log.of("answer"), [("answer to", "what?", b"\x01")])

    async def test_rooms_and_concurrent_clients(self):
        clients = await asyncio.gather(*(self.connect() for _ in range(5)))
        room = f"python async {clients[0][0].get_sid()}"
        await asyncio.gather(*(client.call("join", room) for client, _ in clients))
        await clients[0][0].emit("to-room", (room, "hello"))
        for _, log in clients[1:]:
            await self.wait(lambda: log.of("room-message"), "room message")
        await clients[0][0].call("message-with-ack")
        self.assertEqual([len(log.of("room-message")) for _, log in clients], [0, 1, 1, 1, 1])

    async def test_hundreds_of_packets_queued_at_once_arrive_in_order(self):
        client, log = await self.connect()
        await client.emit("flood", 300)
        await self.wait(lambda: len(log.of("flood-message")) == 300 or not client.connected, "flood")
        self.assertEqual(log.of("flood-message"), [(n,) for n in range(300)])

    async def test_many_calls_at_once_get_their_own_answers(self):
        client, _ = await self.connect()
        answers = await asyncio.gather(*(client.call("message-with-ack", n, timeout=LIMIT_S) for n in range(100)))
        self.assertEqual(answers, list(range(100)))

    async def test_the_server_disconnects(self):
        client, log = await self.connect()
        await client.emit("kick", True)
        await self.wait(lambda: log.reasons, "disconnect")
        self.assertEqual(log.reasons[0], client.reason.SERVER_DISCONNECT)


class AsyncPolling(AsyncClient, unittest.IsolatedAsyncioTestCase):
    transports = ["polling"]
    last_transport = "polling"


class AsyncWebSocket(AsyncClient, unittest.IsolatedAsyncioTestCase):
    transports = ["websocket"]
    last_transport = "websocket"


class AsyncUpgrade(AsyncClient, unittest.IsolatedAsyncioTestCase):
    transports = ["polling", "websocket"]
    last_transport = "websocket"


class Together(unittest.TestCase):
    """Clients on different transports see each other."""

    def test_a_broadcast_reaches_every_transport(self):
        logs = []
        clients = []
        for transports in (["polling"], ["websocket"], ["polling", "websocket"]):
            client, log = socketio.Client(reconnection=False), Log()
            log.attach(client, ("/custom",))
            self.addCleanup(client.disconnect)
            client.connect(URL, transports=transports, namespaces=["/custom"], wait_timeout=LIMIT_S)
            clients.append(client)
            logs.append(log)
        clients[0].emit("broadcast", ("to all", b"\x01"), namespace="/custom")
        end = time.monotonic() + LIMIT_S
        while not all(log.of("/custom broadcast") for log in logs) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual([log.of("/custom broadcast") for log in logs], [[("to all", b"\x01")]] * 3)


if __name__ == "__main__":
    unittest.main()
