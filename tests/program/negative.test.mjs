// What each request of the interface answers to whatever is wrong with it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RawConnection } from "../interop/support/http.mjs";
import { assertError, openWorld, startProgram, upload, within } from "./support.mjs";

let program, close;
before(async () => ({ program, close } = await openWorld()));
after(() => close());

const call = (...args) => program.call(...args);

/** A session and a share of it, for one request. */
async function someSession() {
  const { sessionId } = (await call("POST", "/api/sessions", {})).body;
  const { shareId } = (await call("POST", `/api/sessions/${sessionId}/share`, {})).body;
  return { id: sessionId, share: shareId };
}

/** Paths with their methods; of those that take a JSON object, one that is good. */
const GETS = [
  "/api/sessions",
  "/api/sessions/{id}",
  "/api/history",
  "/api/history/{id}",
  "/api/alerts",
  "/api/stats",
  "/api/whoami",
  "/api/imports",
  "/api/imports/1",
  "/api/vulnerabilities",
  "/api/vulnerabilities.csv",
  "/api/vulnerabilities.json",
  "/api/vulnerabilities/stats",
];
const JSON_POSTS = {
  "/api/sessions": {},
  "/api/sessions/{id}/progress": { progress: 0.5 },
  "/api/sessions/{id}/complete": {},
  "/api/sessions/{id}/error": { error: "x" },
  "/api/sessions/{id}/cancel": {},
  "/api/sessions/{id}/share": {},
  "/api/events/data_updated": { type: "tickets", action: "created" },
  "/api/events/system_alert": { level: "info", category: "system", message: "x" },
  "/api/login": { token: "x" },
};
const OTHER_POSTS = ["/api/logout", "/api/vulnerabilities/import"];
const DELETES = ["/api/sessions/{id}", "/api/sessions/{id}/share/{share}", "/api/imports/1"];

const ROUTES = [
  ...GETS.map((path) => ["GET", path]),
  ...Object.keys(JSON_POSTS).map((path) => ["POST", path]),
  ...OTHER_POSTS.map((path) => ["POST", path]),
  ...DELETES.map((path) => ["DELETE", path]),
];
const PATHS = [...new Set(ROUTES.map(([, path]) => path))];

/** The path with the ids of a session of its own. */
async function targetOf(path) {
  if (!path.includes("{")) return path;
  const { id, share } = await someSession();
  return path.replace("{id}", id).replace("{share}", share);
}

/** A body that would be good. */
const bodyOf = (method, path) => (method === "POST" ? JSON_POSTS[path] : undefined);

for (const path of PATHS) {
  test(`${path}: other methods are told which there are`, async () => {
    const target = await targetOf(path);
    const own = ROUTES.filter(([, known]) => known === path).map(([method]) => method);
    const allowed = ["GET", "POST", "DELETE"].filter((method) => own.includes(method));
    const allow = [...allowed.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])), "OPTIONS"].join(", ");
    for (const method of ["GET", "POST", "DELETE", "PUT", "PATCH"].filter((method) => !own.includes(method))) {
      const answer = await call(method, target);
      assertError(answer, 405, "METHOD_NOT_ALLOWED");
      assert.equal(answer.headers.get("allow"), allow, method);
    }
    const options = await call("OPTIONS", target);
    assert.deepEqual([options.status, options.headers.get("allow")], [204, allow]);
  });
}

for (const [method, path] of ROUTES) {
  describe(`${method} ${path}`, () => {
    test("names a query field that is unknown or empty", async () => {
      const target = await targetOf(path);
      for (const query of ["oops=1", "oops", "oops=", "%E2%80%AEoops=1"]) {
        const isUpload = path.endsWith("/import");
        const answer = isUpload ? await upload(program, "", { query: `?${query}` }) : await call(method, `${target}?${query}`, bodyOf(method, path));
        assertError(answer, 400, "INVALID_ARGUMENT");
        assert.match(answer.body.error.message, /"oops"/, query);
      }
    });

    test("is refused to pages of other sites, whatever the browser says of them", async () => {
      const target = await targetOf(path);
      const foreign = ["https://evil.example", "null", `${program.origin}0`, "http://127.0.0.1.evil.example"];
      for (const headers of [
        { "Sec-Fetch-Site": "cross-site" },
        { "Sec-Fetch-Site": "Cross-Site", Origin: program.origin },
        ...(method === "GET" ? [] : foreign.map((origin) => ({ Origin: origin }))),
      ]) {
        const answer = await call(method, target, bodyOf(method, path), headers);
        assertError(answer, 403, "FORBIDDEN");
        assert.equal(answer.headers.get("access-control-allow-origin"), null);
      }
    });

    test("takes no prefix, no end, no odd spelling of its path", async () => {
      const target = await targetOf(path);
      for (const other of [`${target}/`, `/${target}`, target.replace("/api/", "/API/"), target.replace("/api/", "/api/./"), target.replace("/api/", "/%61pi/")]) {
        const { status, body } = await raw(`${method} ${other} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`);
        assert.ok([400, 404].includes(status), `${other}: ${status}`);
        assert.ok(["INVALID_ARGUMENT", "NOT_FOUND"].includes(JSON.parse(body).error.code), body);
      }
    });
  });
}

/** The answer to bytes that fetch would not send. */
async function raw(bytes) {
  const connection = await RawConnection.open(program.port);
  connection.write(bytes);
  const answer = await within(connection.response(), "an answer");
  connection.destroy();
  return answer;
}

/** A request with these bytes as its JSON body. */
const withBytes = (target, bytes, head = "Content-Type: application/json\r\n") =>
  raw(Buffer.concat([Buffer.from(`POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}Content-Length: ${bytes.length}\r\n\r\n`), bytes]));

const codeOf = ({ status, body }) => [status, JSON.parse(body).error.code];

for (const [path, good] of Object.entries(JSON_POSTS)) {
  describe(`the body of POST ${path}`, () => {
    test("has to say that it is JSON, and not be packed", async () => {
      const target = await targetOf(path);
      const text = JSON.stringify(good);
      // What is no object may be a number of percent, there.
      const types = path.endsWith("/progress") ? ["application/xml", "application/jsonx"] : ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/jsonx", "multipart/form-data; boundary=x"];
      for (const type of types) assertError(await call("POST", target, text, { "Content-Type": type }), 415, "UNSUPPORTED_MEDIA_TYPE");
      const packed = { "Content-Type": "application/json", "Content-Encoding": "gzip" };
      assertError(await call("POST", target, text, packed), 415, "UNSUPPORTED_MEDIA_TYPE");
    });

    test("has to be an object, in UTF-8, not nested without end", async () => {
      const target = await targetOf(path);
      for (const body of ["[]", '"text"', "null", "true", "{", "{}x", "{'a':1}", '{"a":1e999}', '{"a":"\\ud800"}', `{"a":${"[".repeat(500)}${"]".repeat(500)}}`]) {
        assertError(await call("POST", target, body), 400, "INVALID_ARGUMENT");
      }
      for (const bytes of [[0xff], [0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d], [0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d]]) {
        assert.deepEqual(codeOf(await withBytes(target, Buffer.from(bytes))), [400, "INVALID_ARGUMENT"]);
      }
    });

    test("has 64 KiB at most, declared or in chunks", async () => {
      const target = await targetOf(path);
      const large = JSON.stringify({ ...good, filler: "x".repeat(65_536) });
      assertError(await call("POST", target, large), 413, "PAYLOAD_TOO_LARGE");
      const chunked = await fetch(program.origin + target, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: new Blob([large]).stream(),
        duplex: "half",
      });
      assertError({ status: chunked.status, headers: chunked.headers, body: await chunked.json() }, 413, "PAYLOAD_TOO_LARGE");
      const head = "Content-Type: application/json\r\nContent-Length: 99999999999\r\n";
      const claimed = await raw(`POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}\r\n`);
      assert.deepEqual(codeOf(claimed), [413, "PAYLOAD_TOO_LARGE"]);
    });
  });
}

test("what reaches into prototypes is refused wherever values are taken", async () => {
  const { id } = await someSession();
  for (const key of ["__proto__", "constructor", "prototype"]) {
    for (const evil of [`{"${key}":{"x":1}}`, `{"a":{"${key}":1}}`, `{"a":[{"b":[{"${key}":1}]}]}`]) {
      for (const [target, body] of [
        ["/api/sessions", `{"metadata":${evil}}`],
        [`/api/sessions/${id}/progress`, `{"progress":0.5,"metadata":${evil}}`],
        [`/api/sessions/${id}/complete`, `{"result":${evil}}`],
        [`/api/sessions/${id}/error`, `{"error":{"code":"X","message":"x","details":${evil}}}`],
        [`/api/sessions/${id}/error`, `{"error":"x","partial_results":${evil}}`],
        ["/api/events/system_alert", `{"level":"info","category":"system","message":"x","action_details":${evil}}`],
        ["/api/events/data_updated", `{"type":"tickets","action":"created","source":${evil}}`],
      ]) {
        assertError(await call("POST", target, body), 400, "INVALID_ARGUMENT");
      }
    }
  }
  assert.equal((await call("GET", `/api/sessions/${id}`)).body.session.status, "processing");
});

test("characters that turn the direction of text, and control characters, are taken out wherever texts are taken", async () => {
  const odd = "a\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u0000\u0007\u001bb";
  const clean = "ab";
  const session = async (verb, body) => {
    const { id } = await someSession();
    const { status, body: answer } = await call("POST", `/api/sessions/${id}/${verb}`, body);
    assert.ok(status < 300, JSON.stringify(answer));
    return answer.session;
  };
  const created = await call("POST", "/api/sessions", { metadata: { note: odd, list: [{ deep: odd }] } });
  assert.deepEqual(created.body.session.metadata, { note: clean, list: [{ deep: clean }] });
  assert.equal((await session("progress", { progress: 0.1, metadata: { note: odd } })).metadata.note, clean);
  assert.equal((await session("complete", { result: { note: odd } })).result.note, clean);
  assert.equal((await session("error", { error: { code: "X", message: odd } })).error.message, clean);
  assert.equal((await session("cancel", { reason: odd })).reason, clean);
  const message = `unmistakable ${odd}`;
  assert.equal((await call("POST", "/api/events/system_alert", { level: "info", category: "system", message })).status, 202);
  const { alerts } = (await call("GET", "/api/alerts")).body;
  assert.ok(alerts.some((alert) => alert.message === `unmistakable ${clean}`), JSON.stringify(alerts));
});

describe("ids and numbers in paths and queries", () => {
  test("that are none are named", async () => {
    for (const id of ["7", "%ff", "%00", "..", "%2e%2e", "00000000-0000-4000-8000-00000000000g", "__proto__", "\u202e".repeat(3)]) {
      for (const [method, path] of ROUTES.filter(([, path]) => path.includes("{id}"))) {
        const target = path.replace("{id}", encodeURI(id).replaceAll("%25", "%")).replace("{share}", "0000000000000000");
        const { status, body } = await raw(`${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`);
        assert.deepEqual([status, JSON.parse(body).error.code], [400, "INVALID_ARGUMENT"], `${method} ${target}`);
      }
    }
    for (const number of ["x", "-1", "1.5", "99999999999999999999", "%31"]) {
      for (const method of ["GET", "DELETE"]) assertError(await call(method, `/api/imports/${number}`), 400, "INVALID_ARGUMENT");
    }
  });

  test("that nothing has are not found", async () => {
    const unknown = "00000000-0000-4000-8000-000000000000";
    for (const [method, path] of ROUTES.filter(([, path]) => path.includes("{id}"))) {
      const target = path.replace("{id}", unknown).replace("{share}", "0000000000000000");
      assertError(await call(method, target, bodyOf(method, path)), 404, "SESSION_NOT_FOUND");
    }
    for (const method of ["GET", "DELETE"]) assertError(await call(method, "/api/imports/987654"), 404, "NOT_FOUND");
  });

  test("in a query that is no UTF-8, or wrong, are invalid", async () => {
    for (const query of [
      "/api/sessions?status=%ff",
      "/api/sessions?status=done",
      "/api/sessions?limit=0x10",
      "/api/sessions?limit=1&limit=2",
      "/api/sessions?cursor=%00",
      "/api/history?since=now",
      "/api/history?cursor=__proto__",
      "/api/alerts?since=-1",
      "/api/alerts?cursor=%e2%80%ae",
      "/api/imports?offset=1e3",
      "/api/vulnerabilities?severity=constructor",
      "/api/vulnerabilities?cursor=%ff",
      "/api/vulnerabilities.csv?sort=__proto__",
    ]) {
      assertError(await call("GET", query), 400, "INVALID_ARGUMENT");
    }
  });
});

describe("pages of the origins that are let in", () => {
  test("may send all that the client class sends, and read when to come back", async (t) => {
    const own = await startProgram(t, { flags: ["--insecure", "--allowed-origin", "https://app.example"] });
    const fields = ({ headers }) => Object.fromEntries([...headers].filter(([name]) => name.startsWith("access-control-")));
    const sent = "authorization,content-type,idempotency-key,x-session-token";
    const preflight = (origin, path, method) =>
      fetch(own.origin + path, { method: "OPTIONS", headers: { Origin: origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": sent } });
    for (const [method, path] of ROUTES) {
      const target = path.replace("{id}", "00000000-0000-4000-8000-000000000000").replace("{share}", "0000000000000000");
      const answer = await preflight("https://app.example", target, method);
      assert.equal(answer.status, 204);
      const { "access-control-allow-methods": methods, ...rest } = fields(answer);
      assert.ok(methods.split(",").includes(method), methods);
      assert.deepEqual(rest, {
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-headers": sent,
        "access-control-expose-headers": "Retry-After, Location, Content-Disposition",
      });
      for (const origin of ["https://evil.example", "http://app.example", "https://app.example:444", "null"]) {
        assert.deepEqual(fields(await preflight(origin, target, method)), {}, origin);
        const read = await fetch(own.origin + target, { method: "GET", headers: { Origin: origin } });
        assert.deepEqual(fields(read), {}, origin);
      }
    }
    const alert = { level: "info", category: "system", message: "x" };
    const send = () => own.call("POST", "/api/events/system_alert", alert, { Origin: "https://app.example", "Sec-Fetch-Site": "cross-site" });
    let answer = await send();
    for (let sentSoFar = 1; answer.status === 202 && sentSoFar < 50; sentSoFar += 1) answer = await send();
    assertError(answer, 429, "RATE_LIMIT_EXCEEDED");
    assert.match(fields(answer)["access-control-expose-headers"], /Retry-After/);
    assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  });
});
