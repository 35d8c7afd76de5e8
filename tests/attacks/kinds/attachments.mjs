// Packets that wait for an attachment which never comes.
import { beside } from "../support/beside.mjs";
import { frame, OP } from "../support/frames.mjs";

const module = import.meta.url;
const CONNECTIONS = 30;
const ATTACHMENTS = 10;
const ATTACHMENT_BYTES = 999_000;
const TITLE = `${CONNECTIONS} connections that never send the last of ${ATTACHMENTS} attachments of 1 MB`;

export const attacks = [
  {
    name: TITLE,
    title: TITLE,
    server: "echo",
    flags: ["--attachment-timeout", "2000"],
    bounds: { answers: { min: 200 }, growthMib: { max: 24 }, dropped: { max: 0 } },
    measure: (t, target, options) => beside(t, target, { module, name: TITLE, ends: true }, { answers: 200, ...options }),
    async prepare(crew) {
      this.sockets = await crew.joined(CONNECTIONS);
    },
    async run() {
      const places = Array.from({ length: ATTACHMENTS }, (_, num) => ({ _placeholder: true, num }));
      const header = frame({ payload: `45${ATTACHMENTS}-${JSON.stringify(["message", ...places])}` });
      const binary = frame({ opcode: OP.binary, payload: Buffer.alloc(ATTACHMENT_BYTES) });
      const sent = this.sockets.map(async (socket) => {
        // Called with an error where the connection has gone.
        for (const piece of [header, ...Array(ATTACHMENTS - 1).fill(binary)]) await new Promise((resolve) => socket.write(piece, resolve));
      });
      await Promise.all(sent);
    },
  },
];
