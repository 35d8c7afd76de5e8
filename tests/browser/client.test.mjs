// The class `WebSocketClient` in a page of its own, against the real server, while things break.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { WAYS, startBrokenProxy } from "./broken-proxy.mjs";
import { postJson, reasonToSkip, scanCsv, scratchFolder, startProxy, startServer } from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

describe("the client class in a page", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();
  const own = () => (world.server.own ? false : "SKIP: the server is not the test's own");
  const post = (path, body = {}) => postJson(world.server.url, path, body);
  const create = async (metadata = {}, sessionId = randomUUID()) => {
    await post("/api/sessions", { sessionId, metadata });
    return sessionId;
  };
  const update = (id, progress, metadata = {}) => post(`/api/sessions/${id}/progress`, { progress, metadata });
  const remove = async (id) => {
    const { status } = await fetch(`${world.server.url}/api/sessions/${id}`, { method: "DELETE" });
    assert.equal(status, 204);
  };

  /** A page of this server that does nothing by itself. One that the test made up would not be allowed WebSockets to this machine. */
  async function blankPage(context, url) {
    const page = await context.newPage();
    await page.goto(`${url}/healthz`);
    await page.addScriptTag({ url: `${url}/pulsewheel-client.js` });
    return page;
  }

  /** A page with a client as `window.client`, which notes in `window.told` what subscribers hear. */
  async function clientPage(context, url, config = {}) {
    const page = await blankPage(context, url);
    await page.evaluate((settings) => {
      const client = new window.pulsewheel.WebSocketClient({ connectTimeout: 2_000, commandTimeout: 1_000, ...settings });
      client.reconnectDelay = 50;
      client.maxReconnectAttempts = Infinity;
      window.client = client;
      window.told = [];
      const events = ["session_created", "import_progress", "import_complete", "import_error", "import_cancelled"];
      for (const event of [...events, "data_updated", "system_alert", "session_list", "session_lost", "auth_required", "connection_changed"]) {
        client.subscribe(event, (data) => window.told.push({ event, data }));
      }
    }, config);
    return page;
  }

  /** Runs `body` with a context of its own. */
  async function withContext(body) {
    const context = await world.browser.newContext({ bypassCSP: true });
    try {
      await body(context);
    } finally {
      await context.close();
    }
  }

  const withClient = (url, config, body) =>
    withContext(async (context) => {
      const page = await clientPage(context, url, config);
      await page.evaluate(() => window.client.connect());
      await body(page, context);
    });

  const state = (page) => page.evaluate(() => window.client.connection);
  const becomes = (page, wanted) => page.waitForFunction((name) => window.client.connection.state === name, wanted);
  const heard = (page, event, sessionId) =>
    page.evaluate(([name, id]) => window.told.filter(({ event, data }) => event === name && data.sessionId === id).map(({ data }) => data), [event, sessionId]);
  const hears = (page, event, sessionId, field, value) =>
    page.waitForFunction(
      ([name, id, key, wanted]) => window.told.some(({ event, data }) => event === name && data.sessionId === id && (key === undefined || data[key] === wanted)),
      [event, sessionId, field, value],
    );

  test("a scan is imported as the documents show it, and everything about it is heard", async () => {
    await withClient(world.server.url, {}, async (page) => {
      const outcome = await page.evaluate(async (csv) => {
        const { client } = window;
        const steps = [];
        const onProgress = ({ progress, current_step, eta_seconds }) => steps.push({ percent: Math.round(progress * 100), current_step, eta_seconds });
        client.subscribe("import_progress", onProgress);
        const ended = new Promise((resolve, reject) => {
          client.subscribe("import_complete", (event) => {
            client.unsubscribe("import_progress", onProgress);
            resolve(event);
          });
          client.subscribe("import_error", ({ error }) => reject(new Error(error.message)));
        });
        const changed = new Promise((resolve) => client.subscribe("data_updated", resolve));
        const form = new FormData();
        form.append("csvFile", new File([csv], "scan.csv"));
        form.append("vendor", "generic");
        const response = await fetch("/api/vulnerabilities/import", { method: "POST", body: form });
        const result = await response.json();
        client.trackImportProgress(result.sessionId);
        return { result, steps, ended: await ended, changed: await changed };
      }, scanCsv(3_000, 5));
      assert.equal((await state(page)).transport, "websocket");
      const { result, steps, ended, changed } = outcome;
      assert.equal(result.success, true);
      assert.equal(ended.sessionId, result.sessionId);
      assert.equal(ended.import_id, result.importId);
      assert.ok(ended.summary.new_vulnerabilities > 0);
      assert.deepEqual([changed.type, changed.action, changed.source.import_id], ["vulnerabilities", "bulk_update", result.importId]);
      assert.ok(steps.length > 0);
      for (const { percent, current_step, eta_seconds } of steps) {
        assert.ok(percent >= 0 && percent <= 100);
        assert.equal(typeof current_step, "string");
        assert.ok(eta_seconds === null || eta_seconds >= 0);
      }
    });
  });

  test("an alert comes with all that a page needs to show it", async () => {
    await withClient(world.server.url, {}, async (page) => {
      const alert = {
        level: "warning",
        category: "maintenance",
        message: "Backup recommended",
        action_required: true,
        action_details: { description: "Run the backup", endpoint: "/api/backup", estimated_time: "2 minutes" },
        auto_dismiss: 30_000,
      };
      await post("/api/events/system_alert", alert);
      await page.waitForFunction(() => window.told.some(({ event }) => event === "system_alert"));
      const { timestamp, ...told } = await page.evaluate(() => window.told.find(({ event }) => event === "system_alert").data);
      assert.deepEqual(told, alert);
      assert.ok(Date.parse(timestamp) > 0);
    });
  });

  for (const way of Object.keys(WAYS)) {
    test(`behind a proxy that ${way} it works by polling, and the next page begins so`, async () => {
      const proxy = await startBrokenProxy(world.server.url, way);
      try {
        await withClient(proxy.url, {}, async (page, context) => {
          assert.deepEqual([(await state(page)).transport, proxy.asked > 0], ["polling", true]);
          const id = await create();
          await update(id, 0.5);
          await hears(page, "import_progress", id, "progress", 0.5);
          assert.equal(await page.evaluate((session) => window.client.trackSession(session).then(({ progress }) => progress), id), 0.5);
          const next = await clientPage(context, proxy.url);
          await next.evaluate(() => window.client.connect());
          assert.equal((await state(next)).transport, "polling");
          const urls = await next.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => name.includes("/socket.io/")));
          assert.match(urls[0], /transport=polling/);
        });
      } finally {
        await proxy.stop();
      }
    });
  }

  test("behind a proxy that breaks every WebSocket after a while it settles for polling, and so does the next page", async () => {
    const proxy = await startBrokenProxy(world.server.url);
    proxy.breaksAfterMs = 300;
    try {
      await withClient(proxy.url, {}, async (page, context) => {
        await page.waitForFunction(() => window.told.filter(({ event, data }) => event === "connection_changed" && data.state === "connected").length === 4);
        assert.deepEqual([(await state(page)).transport, proxy.asked], ["polling", 3]);
        const id = await create();
        await update(id, 0.5);
        await hears(page, "import_progress", id, "progress", 0.5);
        const next = await clientPage(context, proxy.url);
        await next.evaluate(() => window.client.connect());
        await update(id, 0.7);
        for (const one of [page, next]) await hears(one, "import_progress", id, "progress", 0.7);
        assert.deepEqual([(await state(next)).transport, proxy.asked], ["polling", 3]);
      });
    } finally {
      await proxy.stop();
    }
  });

  test("what is tracked goes on when the server was killed and started again", async (t) => {
    if (own()) return t.skip(own());
    const id = await create({ title: "vault" });
    const address = new URL(world.server.url).host;
    await withClient(world.server.url, {}, async (page) => {
      await page.evaluate((session) => void (window.outcome = window.client.track(session).then(({ result }) => result)), id);
      await update(id, 0.2);
      await hears(page, "import_progress", id, "progress", 0.2);
      await world.server.kill();
      await becomes(page, "reconnecting");
      world.server = await startServer(world.folder.path, address);
      await becomes(page, "connected");
      await update(id, 0.7);
      await hears(page, "import_progress", id, "progress", 0.7);
      await post(`/api/sessions/${id}/complete`, { result: { files: 12 } });
      assert.deepEqual(await page.evaluate(() => window.outcome), { files: 12 });
      assert.equal((await heard(page, "import_complete", id)).length, 1);
      assert.deepEqual(await heard(page, "session_lost", id), []);
    });
  });

  test("a server that is stopped is noticed when the page is looked at, and found again when it goes on", async (t) => {
    if (own()) return t.skip(own());
    const id = await create();
    await withClient(world.server.url, {}, async (page) => {
      world.server.freeze();
      try {
        await assert.rejects(page.evaluate((session) => window.client.trackSession(session), id), /no answer to track_session within 1000 ms/);
        await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
        await becomes(page, "reconnecting");
        await page.waitForFunction(() => window.client.connection.unanswered);
      } finally {
        world.server.thaw();
      }
      await becomes(page, "connected");
      assert.equal((await state(page)).unanswered, false);
      await update(id, 0.4);
      await hears(page, "import_progress", id, "progress", 0.4);
    });
  });

  test("a device that finds its network again does not sit out a pause, and hears what it has missed", async () => {
    const proxy = await startProxy(world.server.url);
    try {
      await withClient(proxy.url, {}, async (page, context) => {
        const [running, ended] = [await create(), await create()];
        await update(running, 0.1);
        await hears(page, "import_progress", running, "progress", 0.1);
        await page.evaluate(() => void (window.client.reconnectDelay = 3_600_000));
        await context.setOffline(true);
        proxy.cut();
        await becomes(page, "reconnecting");
        await update(running, 0.6);
        await post(`/api/sessions/${ended}/error`, { error: { code: "DISK_FULL", message: "the disk is full" } });
        proxy.mend();
        await context.setOffline(false);
        await becomes(page, "connected");
        await hears(page, "import_progress", running, "progress", 0.6);
        await hears(page, "import_error", ended);
        assert.equal((await heard(page, "import_error", ended))[0].error.code, "DISK_FULL");
      });
    } finally {
      await proxy.stop();
    }
  });

  test("credentials that have expired are asked for again, and the client comes back with others", async (t) => {
    if (own()) return t.skip(own());
    const folder = scratchFolder();
    const file = join(folder.path, "tokens");
    const write = (token) => writeFileSync(file, `viewer ${token}-is-the-token\n`, { mode: 0o600 });
    write("old");
    const server = await startServer(folder.path, "127.0.0.1:0", ["--token-file", file]);
    try {
      await withContext(async (context) => {
        const page = await clientPage(context, server.url);
        await page.evaluate(() => {
          window.token = "old-is-the-token";
          window.asked = 0;
          window.client.reconnectDelay = 300;
          window.client.config.auth = async () => {
            window.asked += 1;
            return window.token;
          };
          return window.client.connect();
        });
        write("new");
        server.reread();
        await page.waitForFunction(() => window.told.some(({ event }) => event === "auth_required"));
        assert.equal(await page.evaluate(() => window.client.isConnected), false);
        await page.evaluate(() => void (window.token = "new-is-the-token"));
        await becomes(page, "connected");
        assert.ok((await page.evaluate(() => window.asked)) >= 3);
        assert.deepEqual(await page.evaluate(() => window.client.listSessions()), []);
      });
    } finally {
      await server.stop();
      folder.remove();
    }
  });

  test("while the server is overloaded its Retry-After is kept, and then everything is delivered", async () => {
    const proxy = await startBrokenProxy(world.server.url);
    try {
      await withClient(proxy.url, { pollInterval: 100 }, async (page) => {
        const id = await create();
        proxy.overloaded = "2";
        proxy.cut();
        await becomes(page, "reconnecting");
        await page.evaluate((session) => {
          const { client } = window;
          window.delivered = client.update(session, 0.3, { first: true });
          void client.update(session, 0.8, { second: true });
        }, id);
        while (proxy.refused < 4) await page.waitForTimeout(50);
        assert.ok((await page.evaluate(() => window.client.queued)) > 0);
        proxy.overloaded = null;
        const { progress } = await page.evaluate(() => window.delivered);
        assert.ok(progress === 0.3 || progress === 0.8, `${progress}`);
        await becomes(page, "connected");
        await hears(page, "import_progress", id, "progress", 0.8);
        assert.deepEqual(await page.evaluate((session) => window.client.getSession(session).then(({ metadata }) => metadata), id), { first: true, second: true });
      });
    } finally {
      await proxy.stop();
    }
  });

  test("more sessions than the server takes in a second are all created, in the server's time", async () => {
    await withClient(world.server.url, {}, async (page) => {
      const ids = await page.evaluate(async () => {
        const made = Array.from({ length: 250 }, (_, index) => window.client.createSession({ operation: "burst", index }));
        return Promise.all(made).then((all) => all.map(({ sessionId, session }) => [sessionId, session.metadata.index]));
      });
      assert.deepEqual(ids.map(([, index]) => index), Array.from({ length: 250 }, (_, index) => index));
      assert.equal(new Set(ids.map(([id]) => id)).size, 250);
      await page.evaluate(async (all) => {
        for (const [id] of all) void window.client.cancel(id);
        await window.client.cancel(all.at(-1)[0]).catch(() => {});
      }, ids);
    });
  });

  test("an id that is used again is another session, also for who hears of it only afterwards", async () => {
    const id = randomUUID();
    await withClient(world.server.url, { progressThrottle: 0 }, async (page) => {
      for (const [round, progress] of [0.8, 0.1].entries()) {
        await create({ round }, id);
        await update(id, progress);
        await hears(page, "import_progress", id, "progress", progress);
        await post(`/api/sessions/${id}/complete`, { result: { round } });
        await page.waitForFunction(([session, times]) => window.told.filter(({ event, data }) => event === "import_complete" && data.sessionId === session).length === times, [id, round + 1]);
        await remove(id);
      }
      const names = await page.evaluate((session) => window.told.filter(({ data }) => data.sessionId === session).map(({ event }) => event), id);
      assert.deepEqual(names.filter((name) => name !== "import_progress"), ["session_created", "import_complete", "session_created", "import_complete"]);
    });
  });

  test("of a thousand updates in a row a page hears few, in order, and the last one", async () => {
    const id = await create();
    await withClient(world.server.url, {}, async (page) => {
      for (let step = 1; step <= 1_000; step += 50) {
        const batch = Array.from({ length: 50 }, (_, index) => update(id, (step + index) / 1_000, { current_step: `step ${step + index}` }).catch(() => {}));
        await Promise.all(batch);
      }
      await update(id, 1, { current_step: "the last one" });
      await hears(page, "import_progress", id, "current_step", "the last one");
      // Snapshots, which come with a connection, have their own time.
      const events = (await heard(page, "import_progress", id)).filter(({ createdAt }) => createdAt === undefined);
      assert.ok(events.length < 1_000, `${events.length} events`);
      for (const [index, event] of events.entries()) {
        if (index === 0) continue;
        const before = events[index - 1];
        assert.ok(event.seq > before.seq && event.progress >= before.progress);
        assert.ok(Date.parse(event.timestamp) - Date.parse(before.timestamp) >= 100, `${before.timestamp} ${event.timestamp}`);
      }
    });
  });

  test("two tabs hear the same, and one's cancellation is told in the other", async () => {
    const id = await create();
    await withClient(world.server.url, {}, async (one, context) => {
      const other = await clientPage(context, world.server.url);
      await other.evaluate(() => window.client.connect());
      await update(id, 0.5);
      for (const page of [one, other]) await hears(page, "import_progress", id, "progress", 0.5);
      await other.evaluate((session) => void (window.failure = window.client.track(session).then(null, ({ code, message }) => ({ code, message }))), id);
      await one.evaluate((session) => window.client.cancelSession(session, "the wrong file"), id);
      for (const page of [one, other]) await hears(page, "import_cancelled", id, "reason", "the wrong file");
      assert.deepEqual(await other.evaluate(() => window.failure), { code: "SESSION_CANCELLED", message: "the session was cancelled: the wrong file" });
      await one.evaluate(() => window.client.disconnect());
      const still = await create();
      await hears(other, "session_created", still);
      assert.deepEqual(await heard(one, "session_created", still), []);
    });
  });

  test("the element tells a cancellation, a failure and a session that nobody knows", async () => {
    const [cancelled, failed, unknown] = [await create({ title: "one" }), await create({ title: "two" }), randomUUID()];
    await withContext(async (context) => {
      const page = await blankPage(context, world.server.url);
      await page.evaluate((ids) => {
        for (const id of ids) {
          const element = document.createElement("pulsewheel-progress");
          element.setAttribute("session", id);
          document.body.append(element);
        }
      }, [cancelled, failed, unknown]);
      const says = (id, words) => page.locator(`pulsewheel-progress[session="${id}"]`).getByText(words).waitFor();
      await page.locator(`pulsewheel-progress[session="${failed}"]`).getByText("two").waitFor();
      await post(`/api/sessions/${cancelled}/cancel`);
      await post(`/api/sessions/${failed}/error`, { error: "the disk is full" });
      await says(cancelled, "Cancelled");
      await says(failed, "the disk is full");
      await says(unknown, "The server does not know this session.");
    });
  });
});
