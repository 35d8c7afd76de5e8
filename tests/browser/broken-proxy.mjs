// A proxy between browser and server that passes HTTP on and breaks WebSockets, as some do.

import { createHash } from "node:crypto";
import { createServer, request } from "node:http";
import { connect } from "node:net";

const ACCEPTED = (key) => {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
};

/** What becomes of a request for a WebSocket. */
export const WAYS = {
  "takes the request and says nothing": () => {},
  "opens the WebSocket and says nothing": (socket, key) => socket.write(ACCEPTED(key)),
  "opens the WebSocket and closes it at once": (socket, key) => socket.end(ACCEPTED(key)),
  "answers the upgrade with 200": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
  "answers the upgrade with 200 and an answer that never ends": (socket) => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
  "answers the upgrade with 502": (socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
  "breaks the connection": (socket) => socket.destroy(),
};

/** `way` is one of `WAYS`, or null for a proxy that lets WebSockets through. */
export async function startBrokenProxy(url, way = null) {
  const { hostname, port } = new URL(url);
  const sockets = new Set();
  const keep = (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const proxy = {
    /** WebSockets that were asked for. */
    asked: 0,
    /** While it is set, each WebSocket that gets through breaks after so many milliseconds. */
    breaksAfterMs: null,
    /** While it is set, every request is answered 503 with this `Retry-After`. */
    overloaded: null,
    /** Requests that were answered so. */
    refused: 0,
  };
  const server = createServer((incoming, outgoing) => {
    if (proxy.overloaded !== null) {
      proxy.refused += 1;
      outgoing.writeHead(503, { "Retry-After": proxy.overloaded });
      return void outgoing.end();
    }
    const passed = request({ hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  server.on("connection", keep);
  server.on("upgrade", (incoming, socket, head) => {
    proxy.asked += 1;
    if (proxy.overloaded !== null) return void socket.end(`HTTP/1.1 503 Busy\r\nRetry-After: ${proxy.overloaded}\r\nContent-Length: 0\r\n\r\n`);
    if (way) return void WAYS[way](socket, incoming.headers["sec-websocket-key"]);
    const passed = connect(Number(port), hostname);
    keep(passed);
    const lines = incoming.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join("");
    passed.write(`GET ${incoming.url} HTTP/1.1\r\n${lines}\r\n`);
    passed.write(head);
    socket.pipe(passed).pipe(socket);
    if (proxy.breaksAfterMs !== null) setTimeout(() => socket.destroy(), proxy.breaksAfterMs);
    socket.on("close", () => passed.destroy());
    passed.on("close", () => socket.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.cut = () => sockets.forEach((socket) => socket.destroy());
  proxy.stop = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    proxy.cut();
    await closed;
  };
  return proxy;
}
