// Few bytes that ask for much: lists of all progress sessions, of 16 kB each.
import { RawConnection, requestBytes } from "../../interop/support/http.mjs";
import { beside } from "../support/beside.mjs";
import { text } from "../support/frames.mjs";

const module = import.meta.url;
/** As many as one caller may have. */
const SESSIONS = 900;
const METADATA_BYTES = 16_000;
const CALLERS = 8;

/** Creates the sessions, and more slowly where the server asks for that. */
export async function createSessions(target) {
  let left = SESSIONS;
  const caller = async () => {
    while (left-- > 0) {
      const metadata = { text: "x".repeat(METADATA_BYTES) };
      let answer;
      while ((answer = await target.call("POST", "/api/sessions", { metadata })).status === 429) {
        await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers.get("retry-after") ?? 1)));
      }
      if (answer.status !== 201) throw new Error(`a session was answered ${answer.status}`);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

function lists(title, { prepare, run, ends, bounds }) {
  return {
    name: title,
    title,
    server: "program",
    // So many sessions of that size do not fit into the usual budget.
    flags: ["--memory-budget", "128MiB"],
    ends,
    setUp: createSessions,
    bounds: { answers: { min: 200 }, cpuSeconds: { max: 6 }, growthMib: { max: 24 }, dropped: { max: 0 }, ...bounds },
    measure: (t, target, options) => beside(t, target, { module, name: title, ends }, { answers: 200, ...options }),
    prepare,
    run,
  };
}

const many = (count, packet) => Array.from({ length: count }, (_, id) => packet(id));
const silent = () => `42["list_sessions"]`;
const asking = (id) => `42${id}["list_sessions"]`;

function posted(title, packets) {
  return lists(title, {
    ends: true,
    async prepare(crew) {
      this.clients = await crew.polling(1);
    },
    run: (crew) => crew.post(attacks.find(({ name }) => name === title).clients, packets.join("\x1e"), { times: 2 }),
  });
}

function framed(title, packets) {
  return lists(title, {
    async prepare(crew) {
      this.sockets = await crew.joined(1);
    },
    run(crew) {
      return crew.flood(this.sockets, Buffer.concat(packets.map(text)));
    },
  });
}

/** Asks for the list 60 times, each time on a connection whose answer nobody reads. */
const unread = lists("60 unread answers to GET /api/sessions", {
  async prepare(crew) {
    this.connections = await Promise.all(many(60, () => RawConnection.open(crew.server.port)));
  },
  async run(crew) {
    for (const { socket } of this.connections) {
      crew.adopt(socket);
      socket.pause();
      socket.write(requestBytes("GET", "/api/sessions?limit=1000"));
    }
    await crew.untilStopped();
  },
});

export const attacks = [
  posted("a POST of 500 list_sessions without ack", many(500, silent)),
  posted("a POST of 800 list_sessions with acks", many(800, asking)),
  framed("a WebSocket full of list_sessions without ack", many(500, silent)),
  framed("a WebSocket full of list_sessions with acks", many(800, asking)),
  unread,
];
