// A hand-held HTTP/1.1 connection: what is written is what goes out, byte for byte.
import net from "node:net";
import { within } from "./wait.mjs";

export const RS = "\x1e";

export class RawConnection {
  #received = Buffer.alloc(0);
  #wake = () => {};
  ended = false;

  static async open(port) {
    const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    const connection = new RawConnection(socket);
    await within(new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject)), "connection");
    return connection;
  }

  constructor(socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const end = () => {
      this.ended = true;
      this.#wake();
    };
    // A reset is an end too: servers that refuse a request may leave unread bytes behind.
    socket.on("end", end).on("close", end).on("error", end);
  }

  write(data) {
    if (!this.ended) this.socket.write(data);
  }

  destroy() {
    this.socket.destroy();
  }

  /** Waits until `take(received)` gives a value other than undefined; null once the peer has closed. */
  async #take(take, what, limitMs) {
    const attempt = async () => {
      for (;;) {
        const value = take(this.#received);
        if (value !== undefined) return value;
        if (this.ended) return null;
        await new Promise((resolve) => (this.#wake = resolve));
      }
    };
    return within(attempt(), what, limitMs);
  }

  /** Exactly `length` bytes, or null when the peer closed before. */
  async bytes(length, what = "bytes", limitMs) {
    return this.#take(
      (received) => {
        if (received.length < length) return undefined;
        this.#received = received.subarray(length);
        return received.subarray(0, length);
      },
      what,
      limitMs,
    );
  }

  /** Text up to and with `mark`, or null when the peer closed before. */
  async textUntil(mark, what, limitMs) {
    return this.#take(
      (received) => {
        const at = received.indexOf(mark);
        if (at < 0) return undefined;
        this.#received = received.subarray(at + mark.length);
        return received.subarray(0, at + mark.length).toString("latin1");
      },
      what,
      limitMs,
    );
  }

  /** Waits for the peer's end of stream; gives the bytes that came before it. */
  async rest(limitMs) {
    await this.#take(() => undefined, "end of the connection", limitMs);
    return this.#received;
  }

  /** The next response, or null when the peer closed instead. `bodiless` for answers to HEAD. */
  async response({ bodiless = false, limitMs } = {}) {
    const head = await this.textUntil("\r\n\r\n", "response head", limitMs);
    if (head === null) return null;
    const [statusLine, ...lines] = head.slice(0, -4).split("\r\n");
    const [, version, status] = /^HTTP\/(1\.[01]) (\d{3})/.exec(statusLine) ?? [];
    if (!status) throw new Error(`not a status line: ${statusLine}`);
    const fields = lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const headers = Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
    const answer = { version, status: Number(status), headers, names: fields.map(([name]) => name) };
    const none = bodiless || answer.status < 200 || answer.status === 204 || answer.status === 304;
    answer.bytes = none ? Buffer.alloc(0) : await this.#body(headers, limitMs);
    answer.body = answer.bytes.toString("utf8");
    return answer;
  }

  async #body(headers, limitMs) {
    if (/chunked/i.test(headers["transfer-encoding"] ?? "")) {
      const chunks = [];
      for (;;) {
        const size = parseInt(await this.textUntil("\r\n", "chunk size", limitMs), 16);
        const chunk = await this.bytes(size + 2, "chunk", limitMs);
        if (size === 0) return Buffer.concat(chunks);
        chunks.push(chunk.subarray(0, size));
      }
    }
    if (headers["content-length"] === undefined) return this.rest(limitMs);
    return this.bytes(Number(headers["content-length"]), "response body", limitMs);
  }
}

/** Request head and body as one buffer. A `Host` header and, for a body, `Content-Length` are added. */
export function requestBytes(method, target, { headers = {}, body } = {}) {
  const given = Object.keys(headers).map((name) => name.toLowerCase());
  const lines = [`${method} ${target} HTTP/1.1`];
  if (!given.includes("host")) lines.push("Host: 127.0.0.1");
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
  const framed = given.includes("content-length") || given.includes("transfer-encoding");
  if (body !== undefined && !framed) lines.push(`Content-Length: ${bytes.length}`);
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), bytes]);
}

/** One request on a connection of its own. */
export async function request(port, method, target, options = {}) {
  const connection = await RawConnection.open(port);
  try {
    connection.write(requestBytes(method, target, options));
    return await connection.response({ bodiless: method === "HEAD", limitMs: options.limitMs });
  } finally {
    connection.destroy();
  }
}

/** An Engine.IO session on the polling transport, every request on a connection of its own. */
export class PollingSession {
  static async open(server) {
    const answer = await request(server.port, "GET", `${server.path}?EIO=4&transport=polling`);
    if (answer.status !== 200) throw new Error(`handshake answered ${answer.status} ${answer.body}`);
    return new PollingSession(server, JSON.parse(answer.body.slice(1)), answer);
  }

  constructor(server, handshake, answer) {
    this.server = server;
    this.handshake = handshake;
    this.sid = handshake.sid;
    this.answer = answer;
    this.target = `${server.path}?EIO=4&transport=polling&sid=${handshake.sid}`;
    this.upgradeTarget = `${server.path}?EIO=4&transport=websocket&sid=${handshake.sid}`;
  }

  poll(options) {
    return request(this.server.port, "GET", this.target, options);
  }

  post(body, options = {}) {
    return request(this.server.port, "POST", this.target, { ...options, body });
  }

  /** A poll that is on its way: the connection, for aborting it or for reading the answer later. */
  async startPoll() {
    const connection = await RawConnection.open(this.server.port);
    connection.write(requestBytes("GET", this.target));
    return connection;
  }

  /** Polls until `count` packets have come; gives the packets of every poll. */
  async collect(count) {
    const polls = [];
    while (polls.flat().length < count) {
      const answer = await this.poll();
      if (answer.status !== 200) throw new Error(`poll answered ${answer.status} after ${polls.flat().length} packets`);
      polls.push(answer.body.split(RS));
    }
    return polls;
  }

  /** True once the server no longer knows the session. Only for sessions without a waiting poll. */
  async isOver() {
    const answer = await this.post("6");
    return answer.status === 400;
  }
}
