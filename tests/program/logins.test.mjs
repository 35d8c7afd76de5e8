// The login of the page, and what slows down who guesses tokens.
import assert from "node:assert/strict";
import fs from "node:fs";
import { describe, test } from "node:test";
import { assertError, once, sleep, temporaryFolder, until } from "./support.mjs";
import { TOKENS, enter, startWithTokens } from "./tokens.mjs";

const login = (at, body, headers = {}) => at.call("POST", "/api/login", body, headers);
const logout = (at, headers) => at.call("POST", "/api/logout", undefined, headers);
const whoami = (at, headers) => at.call("GET", "/api/whoami", undefined, headers);
const cookieOf = (answer) => answer.headers.get("set-cookie").split(";")[0];

/** The header of a browser that has logged in with a token. */
async function loggedIn(at, token) {
  const answer = await login(at, { token });
  assert.equal(answer.status, 204, JSON.stringify(answer.body));
  return { Cookie: `other=1; ${cookieOf(answer)}` };
}

/** Shows ever new wrong tokens until one has to wait; the answer to that. Those before it are answered 401. */
async function slowed(show) {
  for (let guess = 0; guess < 50; guess += 1) {
    const answer = await show(`guess-${guess}`);
    if (answer.status === 429) {
      assertError(answer, 429, "RATE_LIMIT_EXCEEDED");
      assert.ok(Number(answer.headers.get("retry-after")) >= 1);
      assert.ok(guess >= 5, `${guess} guesses`);
      return answer;
    }
    assertError(answer, 401, "AUTH_REQUIRED");
  }
  return assert.fail("no guess had to wait");
}

describe("the login of a page", () => {
  test("gives a cookie that serves requests and clients, and ends with its token", async (t) => {
    const own = await startWithTokens(t, { text: "admin the-token-of-the-page\n" });
    const answer = await login(own, { token: "the-token-of-the-page" });
    assert.equal(answer.status, 204);
    const set = answer.headers.get("set-cookie");
    assert.match(set, /; HttpOnly; SameSite=Strict$/);
    assert.ok(!set.includes("the-token"));
    const headers = { Cookie: `other=1; ${cookieOf(answer)}` };
    assert.equal((await whoami(own, headers)).body.role, "admin");
    assert.equal((await own.call("POST", "/api/sessions", {}, headers)).status, 201);
    assertError(await own.call("POST", "/api/sessions", {}, { ...headers, Origin: "https://evil.example" }), 403, "FORBIDDEN");
    const socket = await enter(t, own, undefined, { extraHeaders: headers });
    for (const cookie of [headers.Cookie.slice(0, -1), headers.Cookie.replace("login=", "login=9")]) {
      assertError(await whoami(own, { Cookie: cookie }), 401, "AUTH_REQUIRED");
    }
    fs.writeFileSync(own.file, "admin another-token-for-the-page\n");
    const gone = once(socket, "disconnect");
    process.kill(own.pid, "SIGHUP");
    await gone;
    assertError(await whoami(own, headers), 401, "AUTH_REQUIRED");
    // Nor is it good again when its line comes back.
    fs.writeFileSync(own.file, "admin the-token-of-the-page\n");
    process.kill(own.pid, "SIGHUP");
    await until(async () => (await login(own, { token: "the-token-of-the-page" })).status === 204, "the line");
    assertError(await whoami(own, headers), 401, "AUTH_REQUIRED");
  });

  test("is over for every copy of its cookie after a logout, and no other login is", async (t) => {
    const own = await startWithTokens(t);
    const [mine, other] = [await loggedIn(own, TOKENS.viewer), await loggedIn(own, TOKENS.viewer)];
    assert.notEqual(mine.Cookie, other.Cookie);
    const copy = await enter(t, own, undefined, { extraHeaders: mine });
    const stays = await enter(t, own, undefined, { extraHeaders: other });
    assertError(await logout(own, { ...mine, Origin: "https://evil.example" }), 403, "FORBIDDEN");
    const gone = once(copy, "disconnect");
    const out = await logout(own, mine);
    assert.deepEqual([out.status, /=; .*Max-Age=0/.test(out.headers.get("set-cookie"))], [204, true]);
    await gone;
    assertError(await whoami(own, mine), 401, "AUTH_REQUIRED");
    await assert.rejects(enter(t, own, undefined, { extraHeaders: mine }), (error) => error.data?.code === "AUTH_REQUIRED");
    assert.equal((await whoami(own, other)).body.role, "viewer");
    assert.ok(stays.connected);
    for (const headers of [mine, {}]) assert.equal((await logout(own, headers)).status, 204, "nothing to end is no error");
    await own.logged(/logout from 127\.0\.0\.1/);
  });

  test("outlives a server that is killed, and so does a logout", async (t) => {
    const dataDir = temporaryFolder();
    const first = await startWithTokens(t, { dataDir });
    const [stays, ends] = [await loggedIn(first, TOKENS.viewer), await loggedIn(first, TOKENS.admin)];
    assert.equal((await logout(first, ends)).status, 204);
    await first.end("SIGKILL");
    const file = fs.readFileSync(`${dataDir}/logins`, "utf8");
    for (const secret of [stays.Cookie.split("login=")[1], TOKENS.viewer]) assert.ok(!file.includes(secret));
    assert.equal(fs.statSync(`${dataDir}/logins`).mode & 0o777, 0o600);
    const second = await startWithTokens(t, { dataDir });
    assert.equal((await whoami(second, stays)).body.role, "viewer");
    assertError(await whoami(second, ends), 401, "AUTH_REQUIRED");
    await second.end("SIGTERM");
    const third = await startWithTokens(t, { dataDir, text: `admin ${TOKENS.admin}\n` });
    assertError(await whoami(third, stays), 401, "AUTH_REQUIRED");
  });

  test("is not given where it can't be written down, and everything else goes on", async (t) => {
    const own = await startWithTokens(t);
    const before = await loggedIn(own, TOKENS.viewer);
    fs.rmSync(`${own.folder}/logins.new`, { force: true });
    fs.mkdirSync(`${own.folder}/logins.new`);
    const answer = await login(own, { token: TOKENS.viewer });
    assertError(answer, 503, "SERVER_OVERLOAD");
    assert.equal(answer.headers.get("set-cookie"), null);
    await own.logged(/logins can't be written/);
    assert.equal((await whoami(own, before)).body.role, "viewer");
    fs.rmdirSync(`${own.folder}/logins.new`);
    await loggedIn(own, TOKENS.viewer);
  });

  test("has a cookie for TLS alone where the page, or a trusted proxy, says that it came that way", async (t) => {
    const own = await startWithTokens(t, { flags: ["--allowed-host", "pulse.example", "--trusted-proxy", "127.0.0.1"] });
    for (const [headers, isSecure] of [[{}, false], [{ "X-Forwarded-Proto": "https" }, true], [{ "X-Forwarded-Proto": "http" }, false]]) {
      const set = (await login(own, { token: TOKENS.viewer }, headers)).headers.get("set-cookie");
      assert.equal(set.endsWith("; Secure"), isSecure, set);
    }
    const untrusting = await startWithTokens(t);
    const set = (await login(untrusting, { token: TOKENS.viewer }, { "X-Forwarded-Proto": "https" })).headers.get("set-cookie");
    assert.ok(!set.includes("Secure"), set);
  });

  test("is slow for who guesses, and refused to other sites", async (t) => {
    const own = await startWithTokens(t);
    assertError(await login(own, { token: TOKENS.admin }, { Origin: "https://evil.example" }), 403, "FORBIDDEN");
    assertError(await login(own, { token: 7 }), 400, "INVALID_ARGUMENT");
    await slowed((token) => login(own, { token }));
    assertError(await login(own, { token: TOKENS.admin }), 429, "RATE_LIMIT_EXCEEDED");
    assert.equal((await own.as(TOKENS.admin, "GET", "/api/sessions")).status, 200);
  });
});

describe("guesses at tokens in requests and of clients", () => {
  const refusal = (code) => (error) => error.data?.code === code;
  /** Guesses by requests with these header fields. */
  const slowedAt = (own, headers = {}) => slowed((token) => own.as(token, "GET", "/api/sessions", undefined, headers));

  test("are slowed down, over HTTP and Socket.IO together, and told of in the log", async (t) => {
    const own = await startWithTokens(t);
    /** A client of Socket.IO, as an answer to a request. */
    const show = async (token) => {
      const error = await enter(t, own, token).then(assert.fail, (error) => error);
      const isRefused = error.data?.code === "RATE_LIMIT_EXCEEDED";
      return isRefused ? own.as(token, "GET", "/api/whoami") : own.as(token, "POST", "/api/sessions", {});
    };
    await slowed(show);
    await assert.rejects(enter(t, own, "one-more-guess"), refusal("RATE_LIMIT_EXCEEDED"));
    const header = { extraHeaders: { Authorization: "Bearer and-another-guess" } };
    await assert.rejects(enter(t, own, undefined, header), refusal("RATE_LIMIT_EXCEEDED"));
    for (const [method, target, body] of [["POST", "/api/sessions", {}], ["GET", "/api/vulnerabilities.csv"], ["DELETE", "/api/imports/1"]]) {
      assertError(await own.as(`guess-by-${method}`, method, target, body), 429, "RATE_LIMIT_EXCEEDED");
    }
    // Whoever shows nothing is told what is wanted, as ever.
    assertError(await own.call("GET", "/api/sessions"), 401, "AUTH_REQUIRED");
    await assert.rejects(enter(t, own), refusal("AUTH_REQUIRED"));
    await own.logged(/refused RATE_LIMIT_EXCEEDED Delete \/api\/imports\/1 to 127/);
    await own.logged(/refused RATE_LIMIT_EXCEEDED 127\.0\.0\.1:\d+ over Socket\.IO/);
    assert.doesNotMatch(own.log(), /guess/);
  });

  test("let those go on at the same address who have shown a right token, logins, and tokens of sessions", async (t) => {
    const own = await startWithTokens(t);
    const { sessionId, ownerToken } = (await own.as(TOKENS.producer, "POST", "/api/sessions", {})).body;
    const cookie = await loggedIn(own, TOKENS.viewer);
    await slowedAt(own);
    assert.equal((await own.as(TOKENS.producer, "GET", "/api/sessions")).status, 200);
    await enter(t, own, TOKENS.producer);
    assert.equal((await own.as(ownerToken, "POST", `/api/sessions/${sessionId}/progress`, { progress: 0.5 })).status, 202);
    assert.equal((await whoami(own, cookie)).body.role, "viewer");
    await loggedIn(own, TOKENS.admin);
  });

  test("at one address are nothing to others behind the same proxy", async (t) => {
    const own = await startWithTokens(t, { flags: ["--trusted-proxy", "127.0.0.1"] });
    const from = (address) => ({ "X-Forwarded-For": address });
    const show = async (token, address) => (await own.as(token, "GET", "/api/sessions", undefined, from(address))).status;
    await slowedAt(own, from("192.0.2.1"));
    assert.equal(await show(TOKENS.admin, "192.0.2.2"), 200);
    await enter(t, own, TOKENS.admin, { extraHeaders: from("192.0.2.2") });
    // Of IPv6 the network counts.
    await slowedAt(own, from("2001:db8::1"));
    assert.equal(await show("another-guess", "2001:db8::2"), 429);
    assert.equal(await show("another-guess", "2001:db8:0:1::2"), 401);
  });

  test("are no new ones where a page that was left open asks again and again with an old token", async (t) => {
    const own = await startWithTokens(t, { text: `viewer ${TOKENS.viewer}\nadmin ${TOKENS.admin}\n` });
    const socket = await enter(t, own, TOKENS.viewer);
    fs.writeFileSync(own.file, `admin ${TOKENS.admin}\n`);
    const gone = once(socket, "disconnect");
    process.kill(own.pid, "SIGHUP");
    await gone;
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await assert.rejects(enter(t, own, TOKENS.viewer), refusal("AUTH_REQUIRED"));
      assertError(await own.as(TOKENS.viewer, "GET", "/api/sessions"), 401, "AUTH_REQUIRED");
    }
    assert.equal((await own.as(TOKENS.admin, "GET", "/api/sessions")).status, 200);
    await loggedIn(own, TOKENS.admin);
  });

  test("may go on after the time that the answer names", async (t) => {
    const own = await startWithTokens(t);
    const refused = await slowedAt(own);
    const waitS = Number(refused.headers.get("retry-after"));
    assert.ok(waitS <= 10, `${waitS}`);
    await sleep(waitS * 1000);
    assert.equal((await own.as(TOKENS.admin, "GET", "/api/sessions")).status, 200);
  });
});
