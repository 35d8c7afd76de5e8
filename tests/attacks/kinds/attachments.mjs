// Packets that wait for an attachment which never comes.
import { RawWebSocket } from "../../interop/support/websocket.mjs";
import { sleep } from "../../interop/support/wait.mjs";
import { frame, OP } from "../support/frames.mjs";
import { forgetPeak, peakMib, residentMib } from "../support/proc.mjs";

const CONNECTIONS = 30;
const ATTACHMENTS = 10;
const ATTACHMENT_BYTES = 999_000;
const TIMEOUT_MS = 2_000;
/** Many times that, for a machine with other work. */
const LIMIT_MS = 15_000;
const GROWTH_MIB = 24;
const TITLE = `${CONNECTIONS} connections that never send the last of ${ATTACHMENTS} attachments of 1 MB`;

export const attacks = [
  {
    name: TITLE,
    title: TITLE,
    server: "echo",
    flags: ["--attachment-timeout", `${TIMEOUT_MS}`],
    bounds: { growthMib: { max: GROWTH_MIB }, peakGrowthMib: { max: GROWTH_MIB } },

    async measure(t, target) {
      forgetPeak(target.pid);
      const before = residentMib(target.pid);
      const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawWebSocket.session(target)));
      const places = Array.from({ length: ATTACHMENTS }, (_, num) => ({ _placeholder: true, num }));
      const header = frame({ payload: `45${ATTACHMENTS}-${JSON.stringify(["message", ...places])}` });
      const binary = frame({ opcode: OP.binary, payload: Buffer.alloc(ATTACHMENT_BYTES) });
      const sent = clients.map(async (client) => {
        client.send("40");
        await client.text();
        for (const piece of [header, ...Array(ATTACHMENTS - 1).fill(binary)]) {
          await new Promise((resolve) => client.connection.socket.write(piece, resolve));
        }
      });
      await Promise.all(sent);
      const growth = () => residentMib(target.pid) - before;
      for (let waited = 0; growth() > GROWTH_MIB && waited < LIMIT_MS; waited += 100) await sleep(100);
      const closed = clients.filter(({ connection }) => connection.ended).length;
      const growthMib = growth();
      for (const client of clients) client.destroy();
      return { growthMib, peakGrowthMib: peakMib(target.pid) - before, closed };
    },
  },
];
