// System calls that fail now and then: the program serves on, and what it has acknowledged is there after a kill.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cannotInject, importAndWait, inject, serves } from "./faults.mjs";
import { startProgram, temporaryFolder, until, watcher, within } from "./support.mjs";

const WRITES = "pwrite64,fdatasync,fsync";

/** What may fail: the calls, the errors, and whether a request may be refused for it. */
const FAULTS = [
  { calls: "?epoll_wait,?epoll_pwait", errors: ["EINTR"], every: 3 },
  { calls: "accept4", errors: ["EINTR", "ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"], every: 3 },
  { calls: "recvfrom,sendto,writev,write,read", errors: ["EINTR"], every: 5 },
  { calls: "pread64,openat", errors: ["EINTR"], every: 5 },
  { calls: WRITES, errors: ["EINTR", "EIO", "ENOSPC"], every: 3, mayRefuse: true },
];

for (const { calls, errors, every, mayRefuse = false } of FAULTS) {
  for (const error of errors) {
    test(`${error} of ${calls} harms nobody`, async (t) => {
      const skip = cannotInject();
      if (skip) return t.skip(skip);
      const dataDir = temporaryFolder();
      const program = await startProgram(t, { dataDir });
      const socket = await watcher(t, program, { transports: ["websocket"] });
      const recover = await inject(t, program, `${calls}:error=${error}:when=2+${every}`);
      const refusals = mayRefuse ? [503] : [];
      const states = new Map();
      for (let i = 0; i < 20; i++) {
        // A connection each, so that there is something to accept.
        const call = (...request) => within(program.call(...request, { Connection: "close" }), `answer to ${request}`, 60_000);
        const made = await call("POST", "/api/sessions", {});
        assert.ok([201, ...refusals].includes(made.status), JSON.stringify(made));
        if (made.status !== 201) continue;
        const { sessionId } = made.body;
        states.set(sessionId, ["processing", "completed"]);
        assert.equal((await call("POST", `/api/sessions/${sessionId}/progress`, { progress: 0.5 })).status, 202);
        const ended = await call("POST", `/api/sessions/${sessionId}/complete`, {});
        assert.ok([200, ...refusals].includes(ended.status), JSON.stringify(ended));
        if (ended.status === 200) states.set(sessionId, ["completed"]);
      }
      const { status } = await within(importAndWait(program, "meanwhile"), "answer to the import", 60_000);
      assert.ok([200, ...(mayRefuse ? [422, 503] : [])].includes(status), String(status));
      await recover();
      assert.ok(socket.connected);
      // What could not be written is tried again after a moment.
      await until(async () => (await program.call("POST", "/api/sessions", {})).status === 201, "sessions to be taken");
      await serves(program, "afterwards");
      await program.end("SIGKILL");
      const next = await startProgram(t, { dataDir });
      for (const [id, allowed] of states) {
        const { body } = await next.call("GET", `/api/sessions/${id}`);
        assert.ok(allowed.includes(body.session?.status), `${id}: ${JSON.stringify(body)}`);
      }
      await serves(next, "after the kill");
      assert.ok(mayRefuse || states.size === 20);
    });
  }
}
