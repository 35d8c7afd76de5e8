// Who may come in, by which token, over HTTP and Socket.IO.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { assertError, command, nessusCsv, once, runProgram, startProgram, temporaryFolder, until, watcher } from "./support.mjs";
import { TOKENS, bearer, enter, listed, startWithTokens, writeTokens } from "./tokens.mjs";

const serve = (...flags) => runProgram(["serve", "--listen", "127.0.0.1:0", "--data-dir", temporaryFolder(), ...flags]);

let program;
const cleanups = [];
const file = { after: (cleanup) => cleanups.unshift(cleanup) };
before(async () => (program = await startWithTokens(file)));
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

const create = async (token, body = {}) => {
  const answer = await program.as(token, "POST", "/api/sessions", body);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
};

describe("without a token file", () => {
  test("whatever would let in others ends the program", async () => {
    for (const [flags, named] of [
      [["--listen", "0.0.0.0:0"], "--listen 0.0.0.0:0"],
      [["--allowed-host", "pulse.example"], "--allowed-host pulse.example"],
      [["--allowed-origin", "https://app.example"], "--allowed-origin https://app.example"],
      [["--trusted-proxy", "192.0.2.0/24"], "--trusted-proxy 192.0.2.0/24"],
    ]) {
      const { status, stderr } = await serve(...flags);
      assert.deepEqual([status, stderr.includes(named)], [2, true], stderr);
    }
  });

  test("what a proxy passes on is refused, unless --insecure", async (t) => {
    const open = await startProgram(t);
    const insecure = await startProgram(t, { flags: ["--insecure"] });
    for (const name of ["Forwarded", "X-Forwarded-For", "X-Real-IP"]) {
      for (const target of ["/api/sessions", "/healthz", "/"]) {
        assertError(await open.call("GET", target, undefined, { [name]: "for=192.0.2.1" }), 403, "FORBIDDEN");
      }
      const handshake = (at) => fetch(`${at.origin}/socket.io/?EIO=4&transport=polling`, { headers: { [name]: "192.0.2.1" } });
      assert.equal((await handshake(open)).status, 403);
      assert.equal((await handshake(insecure)).status, 200);
      assert.equal((await insecure.call("GET", "/api/sessions", undefined, { [name]: "192.0.2.1" })).status, 200);
    }
  });

  test("everybody is an admin", async (t) => {
    const open = await startProgram(t);
    assert.deepEqual((await open.call("GET", "/api/whoami")).body, { role: "admin", loginRequired: false });
    const socket = await watcher(t, open);
    const { sessionId } = (await open.call("POST", "/api/sessions", { audience: "owner" })).body;
    await until(() => socket.session(sessionId).length > 0, "session_created");
    assert.deepEqual(await listed(socket), [sessionId]);
    assert.equal((await command(socket, "cancel_session", sessionId)).ok, true);
  });
});

describe("the token file", () => {
  test("a faulty one is named with its line and without its token, and ends the program", async () => {
    for (const [text, what] of [
      ["viewer fine\n\nking top-secret\n", "line 3: the role must be viewer, producer or admin"],
      ["top-secret\n", "line 1: wanted is ROLE TOKEN [NAME]"],
      ["# nobody\n", "there is no token in it"],
    ]) {
      const { status, stderr } = await serve("--token-file", writeTokens(text));
      assert.equal(status, 2, stderr);
      assert.ok(stderr.includes(what), stderr);
      assert.doesNotMatch(stderr, /top-secret/);
    }
    assert.equal((await serve("--token-file", `${temporaryFolder()}/missing`)).status, 2);
  });

  test("is read again on SIGHUP; who has lost his token has to go, and a faulty one changes nothing", async (t) => {
    const own = await startWithTokens(t, { text: "viewer the-first-token\nadmin the-second-token\n" });
    const socket = await enter(t, own, "the-first-token");
    const admin = await enter(t, own, "the-second-token");
    fs.writeFileSync(own.file, "nonsense\n");
    process.kill(own.pid, "SIGHUP");
    await own.logged(/line 1: wanted is ROLE TOKEN/);
    assert.equal((await own.as("the-first-token", "GET", "/api/sessions")).status, 200);
    fs.writeFileSync(own.file, "viewer a-third-token\nadmin the-second-token\n");
    const gone = once(socket, "disconnect");
    process.kill(own.pid, "SIGHUP");
    assert.equal((await gone)[0], "io server disconnect");
    assertError(await own.as("the-first-token", "GET", "/api/sessions"), 401, "AUTH_REQUIRED");
    assert.equal((await own.as("a-third-token", "GET", "/api/sessions")).status, 200);
    assert.ok(admin.connected);
  });

  test("when it is read again with another role or name for a token, clients by it have to come in anew", async (t) => {
    const [demoted, renamed, same] = ["token-that-is-demoted", "token-that-is-renamed", "token-that-stays-the-same"];
    const own = await startWithTokens(t, { text: `admin ${demoted} root\nproducer ${renamed} Ann\nviewer ${same}\n` });
    const cookie = (await own.call("POST", "/api/login", { token: demoted })).headers.get("set-cookie").split(";")[0];
    const clients = [await enter(t, own, demoted), await enter(t, own, undefined, { extraHeaders: { cookie } }), await enter(t, own, renamed)];
    const staying = await enter(t, own, same);
    fs.writeFileSync(own.file, `viewer ${demoted} root\nproducer ${renamed} Bob\nviewer ${same}\n`);
    const gone = clients.map((socket) => once(socket, "disconnect"));
    process.kill(own.pid, "SIGHUP");
    for (const [reason] of await Promise.all(gone)) assert.equal(reason, "io server disconnect");
    assert.ok(staying.connected);
    const { sessionId } = (await own.as(renamed, "POST", "/api/sessions", {})).body;
    assert.equal((await command(await enter(t, own, demoted), "cancel_session", sessionId)).error.code, "FORBIDDEN");
  });

  test("opens the server to other names and sites", async (t) => {
    const flags = ["--listen", "[::1]:0", "--allowed-host", "pulse.example", "--allowed-origin", "https://app.example"];
    const own = await startWithTokens(t, { flags });
    assert.equal((await own.call("GET", "/healthz", undefined, { "X-Forwarded-For": "192.0.2.1" })).status, 200);
  });

  test("has pages of the sites that it lets in read and change, with a token of their own", async (t) => {
    const own = await startWithTokens(t, { flags: ["--allowed-origin", "https://app.example"] });
    const page = { Origin: "https://app.example", "Sec-Fetch-Site": "cross-site" };
    const stranger = { ...page, Origin: "https://evil.example" };
    const leave = ({ headers }) => [headers.get("access-control-allow-origin"), headers.get("access-control-allow-credentials"), headers.get("vary")];
    const given = ["https://app.example", null, "Origin"];
    const created = await own.as(TOKENS.producer, "POST", "/api/sessions", {}, page);
    assert.deepEqual([created.status, leave(created)], [201, given]);
    const target = `/api/sessions/${created.body.sessionId}`;
    for (const [token, method, path, status] of [
      [TOKENS.viewer, "GET", target, 200],
      [TOKENS.viewer, "GET", "/api/vulnerabilities", 200],
      [TOKENS.viewer, "GET", "/api/nothing", 404],
      [TOKENS.viewer, "GET", "/api/sessions?oops=1", 400],
      [TOKENS.viewer, "POST", "/api/imports", 405],
      [TOKENS.viewer, "DELETE", target, 403],
      [undefined, "GET", target, 401],
      [TOKENS.admin, "POST", "/api/vulnerabilities/import", 415],
      [TOKENS.admin, "DELETE", "/api/imports/7", 404],
    ]) {
      const answer = await own.as(token, method, path, undefined, page);
      assert.deepEqual([answer.status, leave(answer)], [status, given], `${method} ${path}`);
    }
    const form = new FormData();
    form.append("csvFile", new Blob([nessusCsv([{}])]), "scan.csv");
    const upload = await fetch(`${own.origin}/api/vulnerabilities/import?wait=true`, {
      method: "POST",
      headers: { ...page, ...bearer(TOKENS.producer) },
      body: form,
    });
    assert.deepEqual([upload.status, leave(upload)], [200, given], await upload.text());
    const asks = { "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization" };
    const preflight = (headers, path = target) => fetch(own.origin + path, { method: "OPTIONS", headers: { ...headers, ...asks } });
    for (const path of [target, "/api/nothing"]) {
      const answer = await preflight(page, path);
      assert.deepEqual([answer.status, ...leave(answer).slice(0, 2)], [204, "https://app.example", null]);
      assert.match(answer.headers.get("access-control-allow-methods"), /\bDELETE\b/);
      assert.equal(answer.headers.get("access-control-allow-headers"), "authorization");
      assert.equal(answer.headers.get("vary"), "Origin, Access-Control-Request-Headers");
    }
    for (const answer of [
      await preflight(stranger),
      await own.as(TOKENS.admin, "GET", target, undefined, stranger),
      await own.as(TOKENS.admin, "POST", "/api/sessions", {}, { Origin: "https://evil.example" }),
    ]) {
      assert.deepEqual([answer.status, leave(answer).slice(0, 2)], [403, [null, null]]);
    }
    const health = await own.call("GET", "/healthz", undefined, page);
    assert.deepEqual([health.status, leave(health)], [200, [null, null, null]]);
    assert.equal((await own.as(TOKENS.admin, "DELETE", target, undefined, { Origin: "https://APP.example" })).status, 409);
  });
});

describe("who asks", () => {
  test("nobody comes in without a token, or with a wrong one", async (t) => {
    for (const token of [undefined, "guessed", "", "o-00000000000040008000000000000000-x"]) {
      for (const [method, target] of [
        ["GET", "/api/sessions"],
        ["POST", "/api/sessions"],
        ["GET", "/api/imports"],
        ["DELETE", "/api/imports/1"],
        ["GET", "/api/vulnerabilities.csv"],
        ["POST", "/api/events/system_alert"],
        ["GET", "/api/whoami"],
      ]) {
        const answer = await program.as(token, method, target, method === "POST" ? {} : undefined);
        assertError(answer, 401, "AUTH_REQUIRED");
        assert.equal(answer.headers.get("www-authenticate"), "Bearer");
      }
      await assert.rejects(enter(t, program, token), (error) => error.data?.code === "AUTH_REQUIRED");
    }
    for (const authorization of ["Basic dXNlcjpwYXNz", "Bearer", TOKENS.admin]) {
      assertError(await program.call("GET", "/api/sessions", undefined, { Authorization: authorization }), 401, "AUTH_REQUIRED");
    }
  });

  test("health, pages and the client library need no token", async () => {
    for (const target of ["/healthz", "/"]) assert.equal((await fetch(program.origin + target)).status, 200, target);
    assert.equal((await fetch(`${program.origin}/api/sessions`, { method: "OPTIONS" })).status, 204);
    assertError(await program.call("GET", "/api/nothing"), 404, "NOT_FOUND");
  });

  test("each role may do its own", async (t) => {
    const { sessionId } = await create(TOKENS.producer);
    const progress = (token) => program.as(token, "POST", `/api/sessions/${sessionId}/progress`, { progress: 0.5 });
    const alert = { level: "info", category: "system", message: "Tea is ready" };
    assert.equal((await program.as(TOKENS.viewer, "GET", `/api/sessions/${sessionId}`)).status, 200);
    for (const token of [TOKENS.viewer, TOKENS.other]) assertError(await progress(token), 403, "FORBIDDEN");
    for (const token of [TOKENS.producer, TOKENS.colleague, TOKENS.admin]) assert.equal((await progress(token)).status, 202);
    assertError(await program.as(TOKENS.viewer, "POST", "/api/sessions", {}), 403, "FORBIDDEN");
    for (const token of [TOKENS.viewer, TOKENS.producer]) {
      assertError(await program.as(token, "POST", "/api/events/system_alert", alert), 403, "FORBIDDEN");
      assertError(await program.as(token, "DELETE", `/api/sessions/${sessionId}`), 403, "FORBIDDEN");
      assertError(await program.as(token, "DELETE", "/api/imports/7"), 403, "FORBIDDEN");
    }
    assert.equal((await program.as(TOKENS.admin, "POST", "/api/events/system_alert", alert)).status, 202);
    for (const [token, code] of [[TOKENS.viewer, "FORBIDDEN"], [TOKENS.other, "FORBIDDEN"], [TOKENS.colleague, undefined]]) {
      const socket = await enter(t, program, token);
      assert.equal((await command(socket, "track_session", sessionId)).ok, true);
      assert.equal((await command(socket, "cancel_session", sessionId)).error?.code, code);
    }
    assert.equal((await program.as(TOKENS.viewer, "GET", "/api/whoami")).body.role, "viewer");
  });

  test("a client behind a trusted proxy is known by its own address", async (t) => {
    const own = await startWithTokens(t, { flags: ["--trusted-proxy", "127.0.0.0/8"] });
    assertError(await own.call("GET", "/api/sessions", undefined, { "X-Forwarded-For": "192.0.2.44" }), 401, "AUTH_REQUIRED");
    await own.logged(/refused AUTH_REQUIRED Get \/api\/sessions to 192\.0\.2\.44/);
  });

  test("no token is in the log", async (t) => {
    const own = await startWithTokens(t, { flags: ["--log", "trace"] });
    const { ownerToken } = (await own.as(TOKENS.producer, "POST", "/api/sessions", {})).body;
    await enter(t, own, TOKENS.viewer);
    assertError(await own.as("a-guess-of-somebody", "GET", "/api/sessions"), 401, "AUTH_REQUIRED");
    assertError(await own.as(TOKENS.viewer, "POST", "/api/sessions", {}), 403, "FORBIDDEN");
    await own.logged(/refused AUTH_REQUIRED Get \/api\/sessions to 127\.0\.0\.1:\d+/);
    await own.logged(/refused FORBIDDEN .* to 127/);
    for (const token of [...Object.values(TOKENS), ownerToken, "a-guess-of-somebody"]) {
      assert.ok(!own.log().includes(token), token);
    }
  });
});

describe("the owner's token", () => {
  test("changes its session whatever the role, as Bearer, beside a role and in commands", async (t) => {
    const { sessionId, ownerToken } = await create(TOKENS.producer, { audience: "owner" });
    const target = `/api/sessions/${sessionId}`;
    const beside = { "X-Session-Token": ownerToken };
    assertError(await program.as(TOKENS.viewer, "GET", target), 404, "SESSION_NOT_FOUND");
    assertError(await program.as(TOKENS.viewer, "POST", `${target}/progress`, { progress: 0.1 }), 404, "SESSION_NOT_FOUND");
    assert.equal((await program.as(ownerToken, "POST", `${target}/progress`, { progress: 0.1 })).status, 202);
    assert.equal((await program.as(TOKENS.viewer, "POST", `${target}/progress`, { progress: 0.2 }, beside)).status, 202);
    assertError(await program.as(TOKENS.viewer, "GET", target, undefined, { "X-Session-Token": "wrong" }), 401, "AUTH_REQUIRED");
    assertError(await program.call("GET", target, undefined, beside), 401, "AUTH_REQUIRED");
    assertError(await program.as(ownerToken, "GET", "/api/imports"), 403, "FORBIDDEN");
    assertError(await program.as(ownerToken, "POST", "/api/sessions", {}), 403, "FORBIDDEN");
    const socket = await enter(t, program, TOKENS.viewer);
    assert.equal((await command(socket, "track_session", { sessionId })).error.code, "SESSION_NOT_FOUND");
    assert.equal((await command(socket, "track_session", { sessionId, token: ownerToken })).ok, true);
    for (const name of ["track_session", "cancel_session", "list_sessions"]) {
      const refused = await command(socket, name, { sessionId, token: `${ownerToken}x` });
      assert.deepEqual([refused.ok, refused.error?.code], [false, "AUTH_REQUIRED"], name);
    }
    const other = await create(TOKENS.producer);
    assert.equal((await command(socket, "cancel_session", { sessionId: other.sessionId, token: ownerToken })).error.code, "FORBIDDEN");
    assert.equal((await command(socket, "cancel_session", { sessionId, token: ownerToken })).ok, true);
    await until(() => socket.log.some(([name]) => name === "import_cancelled"), "import_cancelled");
  });

  test("ends with its session; one that has its id later has another", async () => {
    const { sessionId, ownerToken } = await create(TOKENS.producer);
    const target = `/api/sessions/${sessionId}`;
    assert.equal((await program.as(ownerToken, "POST", `${target}/complete`, {})).status, 200);
    assert.equal((await program.as(TOKENS.admin, "DELETE", target)).status, 204);
    assertError(await program.as(ownerToken, "GET", target), 401, "AUTH_REQUIRED");
    const again = await create(TOKENS.other, { sessionId });
    assert.notEqual(again.ownerToken, ownerToken);
    assertError(await program.as(ownerToken, "POST", `${target}/cancel`, {}), 401, "AUTH_REQUIRED");
    assert.equal((await program.as(again.ownerToken, "POST", `${target}/cancel`, {})).status, 200);
  });
});

describe("audiences", () => {
  test("govern lists, reads and events, those of imports too", async (t) => {
    const own = await startWithTokens(t, { flags: ["--audience", "trackers"] });
    const sockets = {};
    for (const [name, token] of Object.entries(TOKENS)) sockets[name] = await enter(t, own, token);
    const make = async (body) => (await own.as(TOKENS.producer, "POST", "/api/sessions", body)).body.sessionId;
    const ids = { trackers: await make({}), owner: await make({ audience: "owner" }), everybody: await make({ audience: "everybody" }) };
    const form = new FormData();
    form.append("audience", "owner");
    form.append("csvFile", new Blob([nessusCsv([{}])]), "scan.csv");
    const upload = await fetch(`${own.origin}/api/vulnerabilities/import?wait=true`, { method: "POST", body: form, headers: bearer(TOKENS.producer) });
    assert.equal(upload.status, 200);
    ids.import = (await upload.json()).sessionId;
    const wanted = {
      viewer: ["everybody"],
      producer: ["trackers", "owner", "everybody", "import"],
      colleague: ["trackers", "owner", "everybody", "import"],
      other: ["everybody"],
      admin: ["trackers", "owner", "everybody", "import"],
    };
    for (const [name, names] of Object.entries(wanted)) {
      const expected = names.map((audience) => ids[audience]);
      assert.deepEqual((await listed(sockets[name])).reverse(), expected, name);
      const { sessions } = (await own.as(TOKENS[name], "GET", "/api/sessions")).body;
      assert.deepEqual(sessions.map(({ id }) => id).reverse(), expected, name);
      const created = sockets[name].log.filter(([event]) => event === "session_created");
      assert.deepEqual(created.map(([, { sessionId }]) => sessionId), expected, name);
    }
    // Who has the id may track it, and hears of it from then on.
    assert.equal((await command(sockets.viewer, "track_session", ids.trackers)).ok, true);
    assert.deepEqual(await listed(sockets.viewer), [ids.everybody, ids.trackers]);
    assert.equal((await own.as(TOKENS.viewer, "GET", `/api/sessions/${ids.trackers}`)).status, 200);
    assert.equal((await command(sockets.viewer, "track_session", ids.owner)).error.code, "SESSION_NOT_FOUND");
    assertError(await own.as(TOKENS.other, "GET", `/api/sessions/${ids.owner}`), 404, "SESSION_NOT_FOUND");
    assertError(await own.as(TOKENS.producer, "POST", "/api/sessions", { audience: "friends" }), 400, "INVALID_ARGUMENT");
  });

  test("an upload goes into one's own session alone", async () => {
    const { sessionId, ownerToken } = await create(TOKENS.producer);
    const send = async (headers) => {
      const form = new FormData();
      form.append("csvFile", new Blob([nessusCsv([{}])]), "scan.csv");
      const answer = await fetch(`${program.origin}/api/vulnerabilities/import?wait=true&sessionId=${sessionId}`, { method: "POST", body: form, headers });
      return { status: answer.status, body: await answer.json(), headers: answer.headers };
    };
    assertError(await send(bearer(TOKENS.viewer)), 403, "FORBIDDEN");
    assertError(await send(bearer(TOKENS.other)), 403, "FORBIDDEN");
    assert.equal((await send({ ...bearer(TOKENS.other), "X-Session-Token": ownerToken })).status, 200);
  });
});

describe("a share", () => {
  const share = (token, sessionId, body = {}) => program.as(token, "POST", `/api/sessions/${sessionId}/share`, body);

  test("reads one session, over HTTP and Socket.IO, until it is taken back", async (t) => {
    const { sessionId, ownerToken } = await create(TOKENS.producer, { audience: "owner" });
    const target = `/api/sessions/${sessionId}`;
    const other = await create(TOKENS.producer);
    assertError(await share(TOKENS.viewer, other.sessionId), 403, "FORBIDDEN");
    assertError(await share(TOKENS.viewer, sessionId), 404, "SESSION_NOT_FOUND");
    const answer = await share(ownerToken, sessionId, { expiresIn: 3600 });
    assert.equal(answer.status, 201);
    const { shareId, token, expiresAt } = answer.body;
    assert.ok(Math.abs(expiresAt - Date.now() - 3_600_000) < 60_000);
    assert.equal((await program.as(token, "GET", target)).status, 200);
    assert.deepEqual((await program.as(token, "GET", "/api/sessions")).body.sessions.map(({ id }) => id), [sessionId]);
    assertError(await program.as(token, "GET", `/api/sessions/${other.sessionId}`), 404, "SESSION_NOT_FOUND");
    assertError(await program.as(token, "POST", `${target}/progress`, { progress: 1 }), 403, "FORBIDDEN");
    assertError(await share(token, sessionId), 403, "FORBIDDEN");
    for (const read of ["/api/imports", "/api/vulnerabilities"]) assertError(await program.as(token, "GET", read), 403, "FORBIDDEN");
    const socket = await enter(t, program, token);
    assert.deepEqual(await listed(socket), [sessionId]);
    assert.equal((await command(socket, "track_session", other.sessionId)).error.code, "SESSION_NOT_FOUND");
    assert.equal((await command(socket, "cancel_session", sessionId)).error.code, "FORBIDDEN");
    await create(TOKENS.producer);
    await program.as(TOKENS.admin, "POST", "/api/events/data_updated", { type: "scans", action: "updated" });
    await program.as(ownerToken, "POST", `${target}/progress`, { progress: 0.5 });
    await until(() => socket.log.length > 0, "import_progress");
    assert.deepEqual(socket.log.filter(([name]) => name !== "heartbeat").map(([name, event]) => [name, event.sessionId]), [["import_progress", sessionId]]);
    const gone = once(socket, "disconnect");
    assertError(await program.as(TOKENS.viewer, "DELETE", `${target}/share/${shareId}`), 404, "SESSION_NOT_FOUND");
    assert.equal((await program.as(ownerToken, "DELETE", `${target}/share/${shareId}`)).status, 204);
    await gone;
    assertError(await program.as(ownerToken, "DELETE", `${target}/share/${shareId}`), 404, "NOT_FOUND");
    assertError(await program.as(token, "GET", target), 401, "AUTH_REQUIRED");
    await assert.rejects(enter(t, program, token), (error) => error.data?.code === "AUTH_REQUIRED");
  });

  test("has a client track a session by it for as long as it holds, and go on with the others", async (t) => {
    const { sessionId } = await create(TOKENS.producer, { audience: "owner" });
    const open = await create(TOKENS.producer, { audience: "trackers" });
    const [taken, kept] = [(await share(TOKENS.producer, sessionId)).body, (await share(TOKENS.producer, sessionId)).body];
    const track = (socket, id, token) => command(socket, "track_session", { sessionId: id, token });
    const socket = await enter(t, program, TOKENS.viewer);
    const staying = await enter(t, program, TOKENS.viewer);
    for (const [client, token] of [[socket, taken.token], [staying, kept.token]]) assert.equal((await track(client, sessionId, token)).ok, true);
    assert.equal((await command(socket, "track_session", open.sessionId)).ok, true);
    assert.equal((await program.as(TOKENS.producer, "DELETE", `/api/sessions/${sessionId}/share/${taken.shareId}`)).status, 204);
    for (const id of [sessionId, open.sessionId]) await program.as(TOKENS.producer, "POST", `/api/sessions/${id}/cancel`, {});
    const heard = (client, id) => client.log.some(([name, payload]) => name === "import_cancelled" && payload.sessionId === id);
    await until(() => heard(staying, sessionId) && heard(socket, open.sessionId), "import_cancelled");
    assert.ok(!heard(socket, sessionId));
    assert.ok(socket.connected);
  });

  test("ends with its time, and with its session", async (t) => {
    const { sessionId } = await create(TOKENS.producer);
    for (const expiresIn of [0, -1, 1.5, "60", 31_536_001]) assertError(await share(TOKENS.producer, sessionId, { expiresIn }), 400, "INVALID_ARGUMENT");
    const short = (await share(TOKENS.producer, sessionId, { expiresIn: 1 })).body;
    const long = (await share(TOKENS.producer, sessionId)).body;
    assert.equal(long.expiresAt, null);
    const socket = await enter(t, program, short.token);
    assert.equal((await once(socket, "disconnect"))[0], "io server disconnect");
    assertError(await program.as(short.token, "GET", "/api/sessions"), 401, "AUTH_REQUIRED");
    await program.as(TOKENS.producer, "POST", `/api/sessions/${sessionId}/complete`, {});
    assert.equal((await program.as(long.token, "GET", `/api/sessions/${sessionId}`)).status, 200);
    await program.as(TOKENS.admin, "DELETE", `/api/sessions/${sessionId}`);
    assertError(await program.as(long.token, "GET", `/api/sessions/${sessionId}`), 401, "AUTH_REQUIRED");
  });
});
