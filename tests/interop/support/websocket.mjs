// A hand-held WebSocket client: frames are built bit by bit, so that wrong ones can be sent too.
import crypto from "node:crypto";
import { RawConnection, requestBytes } from "./http.mjs";
import { within } from "./wait.mjs";

export const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** One client frame. `length` overrides the length that the header claims. */
export function frame({ opcode = OP.text, payload = "", fin = true, rsv = 0, masked = true, length } = {}) {
  const data = Buffer.from(payload);
  const claimed = length ?? data.length;
  const extended = claimed > 0xffff ? 8 : claimed > 125 ? 2 : 0;
  const head = Buffer.alloc(2 + extended);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (extended === 8 ? 127 : extended === 2 ? 126 : Number(claimed));
  if (extended === 2) head.writeUInt16BE(claimed, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(claimed), 2);
  if (!masked) return Buffer.concat([head, data]);
  const key = crypto.randomBytes(4);
  return Buffer.concat([head, key, data.map((byte, index) => byte ^ key[index % 4])]);
}

/** Payload of a close frame. */
export function closePayload(code, reason = "") {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason)]);
}

export const upgradeHeaders = (key = crypto.randomBytes(16).toString("base64")) => ({
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": key,
});

/** The value that a server has to answer for a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2). */
export const acceptKey = (key) =>
  crypto.createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

/** The HTTP answer to a WebSocket request, with the connection it came on. */
export async function requestUpgrade(port, target, { headers = {}, early = [] } = {}) {
  const connection = await RawConnection.open(port);
  const merged = { ...upgradeHeaders(), ...headers };
  for (const name of Object.keys(merged)) if (merged[name] === null) delete merged[name];
  connection.write(Buffer.concat([requestBytes("GET", target, { headers: merged }), ...early]));
  return { connection, answer: await connection.response() };
}

export class RawWebSocket {
  /** Opens a WebSocket; `early` frames travel in the same segment as the request. */
  static async open(port, target, options) {
    const { connection, answer } = await requestUpgrade(port, target, options);
    if (answer?.status !== 101) throw new Error(`WebSocket request answered ${answer?.status} ${answer?.body}`);
    return new RawWebSocket(connection);
  }

  /** Opens an Engine.IO session on the WebSocket transport and takes its open packet in. */
  static async session(server, options) {
    const socket = await RawWebSocket.open(server.port, `${server.path}?EIO=4&transport=websocket`, options);
    socket.handshake = JSON.parse((await socket.text()).slice(1));
    return socket;
  }

  constructor(connection) {
    this.connection = connection;
  }

  send(payload) {
    this.connection.write(frame({ opcode: typeof payload === "string" ? OP.text : OP.binary, payload }));
  }

  sendFrame(options) {
    this.connection.write(frame(options));
  }

  /** The next frame, or null when the peer closed the connection without one. */
  async readFrame(limitMs) {
    const head = await this.connection.bytes(2, "frame", limitMs);
    if (head === null) return null;
    let length = head[1] & 0x7f;
    if (length === 126) length = (await this.connection.bytes(2)).readUInt16BE();
    else if (length === 127) length = Number((await this.connection.bytes(8)).readBigUInt64BE());
    const payload = await this.connection.bytes(length, "frame payload", limitMs);
    if (payload === null) return null;
    return { fin: head[0] >= 0x80, rsv: (head[0] >> 4) & 7, opcode: head[0] & 15, masked: head[1] >= 0x80, payload };
  }

  /** The next frame, which has to be an unfragmented message: text as string, binary as Buffer. */
  async message(limitMs) {
    const got = await this.readFrame(limitMs);
    if (got === null) throw new Error("closed instead of a message");
    if (got.opcode === OP.close) throw new Error(`close frame ${describeClose(got.payload).code} instead of a message`);
    if (!got.fin || got.rsv !== 0 || got.masked) throw new Error(`unexpected frame ${JSON.stringify(got)}`);
    if (got.opcode === OP.binary) return got.payload;
    if (got.opcode === OP.text) return got.payload.toString("utf8");
    throw new Error(`opcode ${got.opcode} instead of a message`);
  }

  async text(limitMs) {
    const got = await this.message(limitMs);
    if (typeof got !== "string") throw new Error("binary message instead of text");
    return got;
  }

  /**
   * Waits until the peer has closed, answering its close frame as a client must.
   * Gives its close code (1005 without a code, 1006 without a close frame) and the texts that came before.
   */
  async closed(limitMs) {
    const texts = [];
    for (;;) {
      const got = await this.readFrame(limitMs);
      if (got === null) return { code: 1006, reason: "", texts };
      if (got.opcode === OP.text) texts.push(got.payload.toString("utf8"));
      if (got.opcode !== OP.close) continue;
      this.sendFrame({ opcode: OP.close, payload: got.payload });
      await this.connection.rest(limitMs);
      return { ...describeClose(got.payload), texts };
    }
  }

  /** Resolves when the server has worked through everything sent so far, with the texts that came meanwhile. */
  async settled(mark = "settled") {
    const texts = [];
    // A WebSocket ping is answered before the handlers of that turn run, the next one in a later turn.
    for (const payload of [`${mark} 1`, `${mark} 2`]) {
      this.sendFrame({ opcode: OP.ping, payload });
      for (;;) {
        const got = await within(this.readFrame(), "pong");
        if (got === null || got.opcode === OP.close) throw new Error("closed instead of a pong");
        if (got.opcode === OP.pong && got.payload.toString() === payload) break;
        if (got.opcode === OP.text) texts.push(got.payload.toString("utf8"));
      }
    }
    return texts;
  }

  destroy() {
    this.connection.destroy();
  }
}

function describeClose(payload) {
  if (payload.length === 0) return { code: 1005, reason: "" };
  return { code: payload.readUInt16BE(), reason: payload.subarray(2).toString("utf8") };
}
