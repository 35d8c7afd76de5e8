// Clients that keep their sockets full: the server always finds more to read from them than a turn can hold.
import { frame, OP, text } from "../support/frames.mjs";
import { beside } from "../support/beside.mjs";

const module = import.meta.url;
/** What may be read ahead for all connections together, and what the allocator makes of it. */
const GROWTH_MIB = 24;
/** One connection has one buffer of unread input, or one incomplete frame. */
const GROWTH_OF_ONE_MIB = 6;

const tiny = {
  "empty pongs": frame({ opcode: OP.pong }),
  "pongs of one byte": frame({ opcode: OP.pong, payload: "x" }),
  "Engine.IO noop packets": text("6"),
  "empty continuations": frame({ opcode: OP.continuation, fin: false }),
  "events without a name": text("42[1]"),
  "events for an unknown namespace": text(`42/nope,["x"]`),
  "connects to an unknown namespace": text("40/nope,"),
};

/** Frames that have to come once before the flood can. */
const openings = { "empty continuations": frame({ payload: "4", fin: false }) };

function flood(name, count, piece, { opening, growthMib = count === 1 ? GROWTH_OF_ONE_MIB : GROWTH_MIB } = {}) {
  const title = `${count} connection${count === 1 ? "" : "s"} full of ${name}`;
  return {
    name: title,
    title,
    server: "echo",
    bounds: { answers: { min: 200 }, cpuSeconds: { max: 6 }, growthMib: { max: growthMib }, dropped: { max: 0 } },
    measure: (t, target, options) => beside(t, target, { module, name: title }, { answers: 200, ...options }),
    async prepare(crew) {
      this.sockets = await crew.joined(count);
      if (opening) for (const socket of this.sockets) socket.write(opening);
    },
    run(crew) {
      return crew.flood(this.sockets, piece);
    },
  };
}

/** A body in chunks of one byte, six times as long on the wire as what it says. */
const drops = (body) => `${[...body].map((byte) => `1\r\n${byte}\r\n`).join("")}0\r\n\r\n`;

function chunks(count) {
  const title = `${count} connection${count === 1 ? "" : "s"} posting in chunks of one byte`;
  return {
    ...flood("", count, Buffer.alloc(1)),
    name: title,
    title,
    measure: (t, target, options) => beside(t, target, { module, name: title }, { answers: 200, ...options }),
    async prepare(crew) {
      this.clients = await crew.polling(count);
    },
    run(crew) {
      const body = drops(`42["x","${"y".repeat(500_000)}"]`);
      return crew.post(this.clients, body, { headers: { "Transfer-Encoding": "chunked" } });
    },
  };
}

const event = text(`42["nobody-listens","${"x".repeat(200_000)}"]`);

export const attacks = [
  flood("events of 200 kB", 16, event),
  flood("events of 200 kB", 64, event),
  ...Object.entries(tiny).flatMap(([name, piece]) => [1, 16].map((count) => flood(name, count, piece, { opening: openings[name] }))),
  chunks(1),
  chunks(16),
  flood("empty pongs", 400, tiny["empty pongs"], { growthMib: 48 }),
];
