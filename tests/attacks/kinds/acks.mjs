// Clients that owe thousands of acknowledgements and send others, which nobody waits for.
import { beside } from "../support/beside.mjs";
import { text } from "../support/frames.mjs";

const module = import.meta.url;
const CLIENTS = 50;
/** One less than ten would be over the limit of a socket. */
const OPEN_ACKS = 9_990;
const BOGUS_ACKS = 2_000;
const TITLE = `${CLIENTS} clients that owe ${OPEN_ACKS} acknowledgements, with ${BOGUS_ACKS} others each`;

export const attacks = [
  {
    name: TITLE,
    title: TITLE,
    server: "echo",
    ends: true,
    bounds: { answers: { min: 200 }, cpuSeconds: { max: 0.25 }, growthMib: { max: 24 }, dropped: { max: 0 }, closed: { max: 0 } },
    measure: (t, target, options) => beside(t, target, { module, name: TITLE, ends: true }, { answers: 200, ...options }),
    async prepare(crew) {
      this.sockets = await crew.joined(CLIENTS);
      // Each question comes back before the next hundred are asked for, so that the server's queues stay short.
      await Promise.all(this.sockets.map((socket) => owe(socket, OPEN_ACKS)));
    },
    async run() {
      // Numbers that were never given out, and the newest that were, with a gap between them.
      const bogus = Buffer.concat(Array.from({ length: BOGUS_ACKS }, (_, i) => text(`43${OPEN_ACKS + i}[]`)));
      await Promise.all(this.sockets.map((socket) => handled(socket, bogus)));
    },
  },
];

/** Has the server ask `count` questions, none of which will be answered. */
function owe(socket, count) {
  const QUESTION = Buffer.from(`["question",1]`);
  const portion = 100;
  return new Promise((resolve) => {
    let asked = 0;
    let heard = 0;
    const ask = () => {
      const some = Math.min(portion, count - asked);
      asked += some;
      socket.write(Buffer.concat(Array(some).fill(text(`42["ask",1]`))));
    };
    let rest = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      const all = Buffer.concat([rest, bytes]);
      let at = 0;
      for (let next; (next = all.indexOf(QUESTION, at)) >= 0; at = next + QUESTION.length) heard += 1;
      rest = all.subarray(Math.max(at, all.length - QUESTION.length + 1));
      if (heard === count) resolve(socket.removeAllListeners("data").on("data", () => {}));
      else if (heard === asked) ask();
    });
    ask();
  });
}

/** Sends the bytes and an event behind them, whose acknowledgement tells that all were handled. */
function handled(socket, bytes) {
  return new Promise((resolve) => {
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (received.includes("437[")) resolve();
    });
    socket.once("close", resolve);
    socket.write(Buffer.concat([bytes, text(`427["message-with-ack",1]`)]));
  });
}
