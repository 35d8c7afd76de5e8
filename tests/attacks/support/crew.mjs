// The connections of an attack, and the ways in which they are used.
import { RawConnection, requestBytes } from "../../interop/support/http.mjs";
import { RawWebSocket } from "../../interop/support/websocket.mjs";
import { block } from "./frames.mjs";

/** Bytes that one attack sends at the most. */
const SENT_BYTES_MAX = 16 * 1024 ** 3;
/** Connections that are opened at a time. */
const OPENING_MAX = 50;

export class Crew {
  stopped = false;
  #sockets = new Set();
  #closed = 0;
  #whenStopped;
  #stop;

  constructor(server) {
    this.server = server;
    this.#whenStopped = new Promise((resolve) => (this.#stop = resolve));
  }

  stop() {
    this.stopped = true;
    this.#stop();
  }

  /** Resolves when the attack is to end. */
  untilStopped() {
    return this.#whenStopped;
  }

  /** Counts the connection; what it receives is read and thrown away unless `keep`. */
  adopt(socket, { keep = false } = {}) {
    this.#sockets.add(socket);
    socket.once("close", () => (this.#closed += 1));
    socket.on("error", () => {});
    if (!keep) socket.removeAllListeners("data").on("data", () => {});
    return socket;
  }

  /** Sockets of clients that have joined `/` by WebSocket. */
  async joined(count, options) {
    return this.#many(count, async () => {
      const client = await RawWebSocket.session(this.server);
      client.send("40");
      await client.text();
      return this.adopt(client.connection.socket, options);
    });
  }

  /** Polling clients that have joined `/`, with the target of their requests. */
  async polling(count) {
    return this.#many(count, async () => {
      const connection = await RawConnection.open(this.server.port);
      this.adopt(connection.socket, { keep: true });
      connection.write(requestBytes("GET", `${this.server.path}?EIO=4&transport=polling`));
      const { sid } = JSON.parse((await connection.response()).body.slice(1));
      const target = `${this.server.path}?EIO=4&transport=polling&sid=${sid}`;
      connection.write(requestBytes("POST", target, { body: "40" }));
      await connection.response();
      return { connection, target };
    });
  }

  async #many(count, open) {
    const opened = [];
    while (opened.length < count) {
      const some = Array.from({ length: Math.min(OPENING_MAX, count - opened.length) }, open);
      opened.push(...(await Promise.all(some)));
    }
    return opened;
  }

  /** Keeps the sockets full with copies of a piece until the attack is to end. */
  async flood(sockets, piece) {
    const bytes = block(piece);
    for (const socket of sockets) {
      const fill = () => {
        while (!this.stopped && !socket.destroyed && socket.write(bytes));
        if (this.figures().sentMib * 1024 ** 2 > SENT_BYTES_MAX) this.stop();
      };
      socket.on("drain", fill);
      fill();
    }
    await this.untilStopped();
  }

  /** Posts the body again and again, each time when the last answer is there; `times` at the most. */
  async post(clients, body, { headers, times = Infinity } = {}) {
    const answered = clients.map(async ({ connection, target }) => {
      const request = requestBytes("POST", target, { body, headers });
      for (let sent = 0; sent < times && !this.stopped; sent++) {
        connection.write(request);
        const answer = await connection.response({ limitMs: 60_000 });
        if (answer?.status !== 200) return;
      }
    });
    await Promise.all(answered);
  }

  /** What the attack has done so far. */
  figures() {
    let bytes = 0;
    for (const socket of this.#sockets) bytes += socket.bytesWritten - socket.writableLength;
    return { sentMib: bytes / 1024 ** 2, closed: this.#closed };
  }
}
