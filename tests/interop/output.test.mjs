// Examples whose standard output and standard error are closed, full or stuck: they serve, and end when they are asked to.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { request } from "./support/http.mjs";
import { DEAF, deafOutput, portOf } from "./support/output.mjs";
import { binary } from "./support/server.mjs";
import { within } from "./support/wait.mjs";

const EXAMPLES = ["chat", "echo", "embedded_loop", "engine_echo", "jobs", "private_messaging", "todo", "tour"];

for (const example of EXAMPLES) {
  for (const kind of DEAF) {
    test(`${example} serves and ends where its output is ${kind}`, async (t) => {
      const child = spawn(...deafOutput(t, kind, binary(example), ["--listen", "127.0.0.1:0"]));
      const exit = new Promise((resolve) => child.once("exit", (status, signal) => resolve({ status, signal })));
      t.after(() => child.kill("SIGKILL"));
      const port = await portOf(child.pid);
      const path = example === "engine_echo" ? "/engine.io/" : "/socket.io/";
      // One of them prints a line for each client. Sessions that only open join no namespace, so this joins one.
      for (let i = 0; i < 200; i++) {
        const opened = await request(port, "GET", `${path}?EIO=4&transport=polling&token=${i}`);
        assert.equal(opened.status, 200, opened.body);
        const { sid } = JSON.parse(opened.body.slice(1));
        const joined = await request(port, "POST", `${path}?EIO=4&transport=polling&sid=${sid}`, { body: "40" });
        assert.equal(joined.status, 200, joined.body);
      }
      child.kill("SIGTERM");
      // The host's own loop of this one leaves SIGTERM as it is.
      const goodEnd = example === "embedded_loop" ? { status: null, signal: "SIGTERM" } : { status: 0, signal: null };
      assert.deepEqual(await within(exit, "end of the example", 30_000), goodEnd);
    });
  }
}
