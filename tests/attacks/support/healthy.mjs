// A process with two clients that do nothing wrong. Both send a small event with an acknowledgement every few milliseconds,
// and note how long each answer took. The punctual one sends whether the last event was answered or not; the patient one
// sends when it has been: a server that forgets it is not reminded.
import { RawWebSocket, frame } from "../../interop/support/websocket.mjs";

const PAUSE_MS = 5;
/** Answers before the clients count as settled. */
const WARM_UP = 20;
/** The process ends by itself after this time. */
const LIFE_MS = 90_000;

setTimeout(() => process.exit(1), LIFE_MS);
process.once("disconnect", () => process.exit(0));

class Client {
  isDropped = false;
  answers = 0;
  waitsMs = [];
  #sentAt = new Map();
  #nextId = 0;
  #partial = Buffer.alloc(0);

  static async join(server, event) {
    const opened = await RawWebSocket.session(server);
    opened.send("40");
    await opened.text();
    return new Client(opened.connection.socket, event);
  }

  constructor(socket, event) {
    this.socket = socket;
    this.event = event;
    socket.removeAllListeners("data").on("data", (bytes) => this.#onBytes(bytes));
    for (const end of ["end", "close", "error"]) socket.on(end, () => (this.isDropped = true));
    setInterval(() => this.#send(), PAUSE_MS);
  }

  /** Whether this one sends while an answer is awaited. */
  isPunctual = false;

  #send() {
    if (this.isDropped || (!this.isPunctual && this.#sentAt.size > 0)) return;
    this.#sentAt.set(this.#nextId, performance.now());
    this.socket.write(frame({ payload: `42${this.#nextId++}${this.event}` }));
  }

  /** Takes frames of a server off the front of what has come: they are not masked. */
  #onBytes(bytes) {
    this.#partial = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes]);
    for (;;) {
      const bytes = this.#partial;
      if (bytes.length < 2) return;
      let [head, length] = [2, bytes[1]];
      if (length === 126) [head, length] = [4, bytes.length < 4 ? Infinity : bytes.readUInt16BE(2)];
      else if (length === 127) [head, length] = [10, bytes.length < 10 ? Infinity : Number(bytes.readBigUInt64BE(2))];
      if (bytes.length < head + length) return;
      if ((bytes[0] & 15) === 1) this.#onPacket(bytes.subarray(head, head + length).toString());
      this.#partial = bytes.subarray(head + length);
    }
  }

  #onPacket(packet) {
    if (packet === "2") return void this.socket.write(frame({ payload: "3" }));
    const id = Number(/^43(\d+)\[/.exec(packet)?.[1]);
    const began = this.#sentAt.get(id);
    if (began === undefined) return;
    this.#sentAt.delete(id);
    this.answers += 1;
    this.waitsMs.push(performance.now() - began);
    if (clients.every(({ answers }) => answers >= WARM_UP)) onSettled();
  }

  forget() {
    this.answers = 0;
    this.waitsMs = [];
  }

  /** All waits; what is still unanswered has waited at least until now. */
  allWaitsMs() {
    const now = performance.now();
    return [...this.waitsMs, ...[...this.#sentAt.values()].map((began) => now - began)];
  }
}

let clients = [];
let onSettled = () => {
  onSettled = () => {};
  process.send({ event: "settled" });
};

function figures() {
  const waitsMs = clients.flatMap((client) => client.allWaitsMs()).sort((a, b) => a - b);
  const [patient, punctual] = clients;
  return {
    answers: patient.answers,
    punctualAnswers: punctual.answers,
    worstMs: waitsMs.at(-1) ?? 0,
    p999Ms: waitsMs[Math.max(0, Math.ceil(waitsMs.length * 0.999) - 1)] ?? 0,
    dropped: clients.filter(({ isDropped }) => isDropped).length,
  };
}

process.on("message", async ({ command, server, event }) => {
  if (command === "begin") {
    clients = await Promise.all([0, 1].map(() => Client.join(server, event)));
    clients[1].isPunctual = true;
  } else if (command === "forget") {
    // From here on the attack is what counts.
    for (const client of clients) client.forget();
    process.send({ event: "forgotten" });
  } else if (command === "progress") {
    process.send({ event: "progress", answers: clients[0].answers, isDropped: clients.some(({ isDropped }) => isDropped) });
  } else if (command === "figures") {
    process.send({ event: "figures", figures: figures() });
  }
});
