// The edges of the HTTP interface: unknown paths, wrong methods, other sites, foreign hosts, the files it serves.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RawConnection } from "../interop/support/http.mjs";
import {
  assertError,
  openWorld,
  startProgram,
} from "./support.mjs";

let program, close;
before(async () => ({ program, close } = await openWorld()));
after(() => close());

const call = (...args) => program.call(...args);
const newSession = async () => (await call("POST", "/api/sessions", {})).body.sessionId;

describe("the edges of the interface", () => {
  test("health, unknown paths and wrong methods", async () => {
    assert.deepEqual((await call("GET", "/healthz")).body, { status: "ok" });
    assertError(await call("GET", "/api/nothing"), 404, "NOT_FOUND");
    const id = await newSession();
    for (const [method, target, allowed] of [
      ["PUT", "/api/sessions", ["GET", "POST"]],
      ["DELETE", "/api/sessions", ["GET", "POST"]],
      ["POST", `/api/sessions/${id}`, ["GET", "DELETE"]],
      ["GET", `/api/sessions/${id}/progress`, ["POST"]],
      ["GET", `/api/sessions/${id}/cancel`, ["POST"]],
      ["GET", "/api/vulnerabilities/import", ["POST"]],
      ["POST", "/api/vulnerabilities", ["GET"]],
      ["POST", "/api/imports", ["GET"]],
      ["GET", "/api/events/system_alert", ["POST"]],
      ["POST", "/healthz", ["GET"]],
    ]) {
      const answer = await call(method, target);
      assertError(answer, 405, "METHOD_NOT_ALLOWED");
      const allow = answer.headers.get("allow").split(/,\s*/);
      for (const name of allowed) assert.ok(allow.includes(name), `${target}: Allow: ${allow}`);
    }
  });

  test("HEAD answers as GET does, without a body", async () => {
    const answer = await fetch(`${program.origin}/healthz`, { method: "HEAD" });
    assert.deepEqual([answer.status, await answer.text()], [200, ""]);
  });

  test("a request that changes something is refused when another site sends it", async () => {
    const id = await newSession();
    for (const origin of ["http://evil.example", "null", `http://127.0.0.1:${program.port + 1}`]) {
      const headers = { Origin: origin };
      assertError(await call("POST", "/api/sessions", {}, headers), 403, "FORBIDDEN");
      assertError(await call("DELETE", `/api/sessions/${id}`, undefined, headers), 403, "FORBIDDEN");
      assertError(await call("POST", "/api/vulnerabilities/import", undefined, headers), 403, "FORBIDDEN");
    }
    assert.equal((await call("POST", "/api/sessions", {}, { Origin: program.origin })).status, 201);
  });

  /** One raw request, since fetch does not let us choose the Host. */
  async function withHost(host, method = "GET", target = "/api/sessions") {
    const connection = await RawConnection.open(program.port);
    connection.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
    const answer = await connection.response();
    connection.destroy();
    return answer;
  }

  test("a Host that is not the program's own is refused", async () => {
    for (const host of ["evil.example", `evil.example:${program.port}`, "127.0.0.1.evil.example", "8.8.8.8"]) {
      for (const method of ["GET", "POST"]) {
        const answer = await withHost(host, method);
        assert.equal(answer.status, 403, host);
        assert.equal(JSON.parse(answer.body).error.code, "FORBIDDEN");
      }
    }
    for (const host of ["localhost", `localhost:${program.port}`, `127.0.0.1:${program.port}`, "127.0.0.1", "[::1]", "LOCALHOST"]) {
      assert.equal((await withHost(host)).status, 200, host);
    }
  });

  test("pages of other sites are no clients, unless --allowed-origin lets them in", async (t) => {
    const handshake = async (at, origin) => {
      const answer = await fetch(`${at.origin}/socket.io/?EIO=4&transport=polling`, { headers: { Origin: origin } });
      return [answer.status, answer.headers.get("access-control-allow-origin")];
    };
    assert.deepEqual(await handshake(program, "https://evil.example"), [403, null]);
    assert.deepEqual(await handshake(program, program.origin), [200, null]);
    const own = await startProgram(t, { flags: ["--insecure", "--allowed-origin", "https://app.example"] });
    assert.deepEqual(await handshake(own, "https://app.example"), [200, "https://app.example"]);
    assert.deepEqual(await handshake(own, "https://evil.example"), [403, null]);
  });

  test("--allowed-host lets another name in", async (t) => {
    const own = await startProgram(t, { flags: ["--insecure", "--allowed-host", "pulse.example"] });
    const connection = await RawConnection.open(own.port);
    connection.write("GET /healthz HTTP/1.1\r\nHost: pulse.example\r\n\r\n");
    assert.equal((await connection.response()).status, 200);
    connection.destroy();
  });

  test("the client library is served with a tag, and answered 304 to those who have it", async (t) => {
    const target = `${program.origin}/socket.io/socket.io.js`;
    const answer = await fetch(target);
    if (answer.status !== 200) return t.skip("this binary was built without the web part");
    assert.match(answer.headers.get("content-type"), /^application\/javascript; charset=utf-8$/i);
    assert.match(await answer.text(), /socket\.io/i);
    const tag = answer.headers.get("etag");
    for (const value of [tag, `W/${tag.replace(/^W\//, "")}`]) {
      const again = await fetch(`${target}?t=1`, { headers: { "If-None-Match": value } });
      assert.deepEqual([again.status, await again.text()], [304, ""]);
    }
    assert.equal((await fetch(`${program.origin}/socket.io/socket.io.min.js`)).status, 200);
    assert.equal((await fetch(`${program.origin}/socket.io/no-such-file.js`)).status, 400);
  });

  test("the root answers with a page", async () => {
    const answer = await fetch(`${program.origin}/`);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type"), /^text\/(html|plain)/);
    assert.notEqual((await answer.text()).trim(), "");
  });

  test("the dashboard is compressed, tagged, and allows nothing but itself", async (t) => {
    const answer = await fetch(`${program.origin}/`, { headers: { "Accept-Encoding": "gzip" } });
    const page = await answer.text();
    if (!page.includes("<script")) return t.skip("this binary was built without the web part");
    assert.equal(answer.headers.get("content-encoding"), "gzip");
    assert.equal(answer.headers.get("cache-control"), "no-cache");
    assert.match(answer.headers.get("content-security-policy"), /^default-src 'self'/);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    const again = await fetch(`${program.origin}/`, { headers: { "If-None-Match": answer.headers.get("etag") } });
    assert.deepEqual([again.status, await again.text()], [304, ""]);
    const script = /src="\.(\/assets\/[^"]+\.js)"/.exec(page)[1];
    for (const encoding of ["gzip", "identity"]) {
      const file = await fetch(program.origin + script, { headers: { "Accept-Encoding": encoding } });
      assert.equal(file.status, 200);
      assert.match(file.headers.get("content-type"), /javascript/);
      assert.match(file.headers.get("cache-control"), /immutable/);
      assert.equal(file.headers.get("content-encoding"), encoding === "gzip" ? "gzip" : null);
      assert.ok((await file.text()).length > 1000);
    }
    for (const path of ["/../Cargo.toml", "/assets/", "/assets/none.js", "/%2e%2e/secret"]) {
      assertError(await call("GET", path), 404, "NOT_FOUND");
    }
  });

  test("OPTIONS tells the methods and lets no other site in", async () => {
    const answer = await fetch(`${program.origin}/api/sessions`, {
      method: "OPTIONS",
      headers: { Origin: "http://evil.example", "Access-Control-Request-Method": "POST" },
    });
    assert.equal(answer.status, 204);
    assert.match(answer.headers.get("allow"), /GET.*POST/);
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  });

  test("a JSON body in chunks is read up to its limit", async () => {
    const post = (body) =>
      fetch(`${program.origin}/api/sessions`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: new Blob([body]).stream(),
        duplex: "half",
      });
    assert.equal((await post('{"metadata":{"a":1}}')).status, 201);
    const fits = JSON.stringify({ ignored: "x".repeat(65_536 - 14) });
    assert.equal(fits.length, 65_536);
    assert.equal((await post(fits)).status, 201);
    assert.equal((await post(`${fits} `)).status, 413);
  });

  test("Socket.IO is as careful about Host as the rest", async () => {
    assert.equal((await withHost("evil.example", "GET", "/socket.io/?EIO=4&transport=polling")).status, 403);
    assert.equal((await withHost("localhost", "GET", "/socket.io/?EIO=4&transport=polling")).status, 200);
  });
});
