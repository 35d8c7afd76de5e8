import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { WebSocketClient } from "../client/src/client.js";
import { CREATED, session } from "./samples";
import { type ApiAnswer, type ApiRequest, TestServer } from "./server";

const A = "aaaaaaaa-d9cb-469f-a165-70867728950e";
const B = "bbbbbbbb-d9cb-469f-a165-70867728950e";

let server: TestServer;
let client: WebSocketClient;
let requests: ApiRequest[];
/** Answers that come before the usual ones, in this order. */
let first: ((request: ApiRequest) => ApiAnswer)[];

beforeEach(async () => {
  server = await TestServer.start();
  client = server.client({ queueLimit: 3 });
  requests = [];
  first = [];
  server.serve((request) => {
    requests.push(request);
    return first.shift()?.(request) ?? usual(request);
  });
});

afterEach(async () => {
  client.disconnect();
  await server.stop();
});

function usual({ method, path, body }: ApiRequest): ApiAnswer {
  const id = (body?.["sessionId"] as string) ?? path.split("/")[2];
  const answered = session(1, (body?.["progress"] as number) ?? 0, { id, sessionId: id });
  if (path === "/sessions") return { status: 201, body: { sessionId: id, session: answered, ownerToken: `owner of ${id}` } };
  const status = path.endsWith("/complete") || method === "GET" ? "completed" : "processing";
  return { status: 200, body: { session: { ...answered, status } } };
}

const refuse = (status: number, code: string, headers = {}) => (): ApiAnswer => ({
  status,
  headers,
  body: { error: { code, message: `${code} it is` } },
});
const sent = (): string[] => requests.map(({ method, path }) => `${method} ${path.replace("/sessions", "")}`);

test("work is reported from its beginning to its end, in order", async () => {
  const created = await client.createSession({ title: "vault" }, { sessionId: A, audience: "owner" });
  expect(created).toMatchObject({ sessionId: A, ownerToken: `owner of ${A}` });
  expect(await client.update(A, 0.5, { current_step: "half" })).toMatchObject({ progress: 0.5 });
  expect(await client.complete(A, { files: 3 })).toMatchObject({ status: "completed" });
  await client.fail(A, "disk full", { processed_rows: 3 });
  await client.cancel(A, "no longer needed");
  expect(requests.map(({ body }) => body)).toEqual([
    { sessionId: A, metadata: { title: "vault" }, audience: "owner" },
    { progress: 0.5, metadata: { current_step: "half" } },
    { result: { files: 3 } },
    { error: "disk full", partial_results: { processed_rows: 3 } },
    { reason: "no longer needed" },
  ]);
  expect(sent()).toEqual(["POST ", `POST /${A}/progress`, `POST /${A}/complete`, `POST /${A}/error`, `POST /${A}/cancel`]);
});

test("the token of a session goes with its reports, and what changes something once has a key", async () => {
  client.config.auth = "mine";
  await client.createSession({}, { sessionId: A });
  await client.update(A, 0.5);
  await client.update(B, 0.5);
  await client.complete(A);
  expect(requests.map(({ headers }) => headers["x-session-token"])).toEqual([undefined, `owner of ${A}`, undefined, `owner of ${A}`]);
  expect(requests.map(({ headers }) => "idempotency-key" in headers)).toEqual([true, false, false, true]);
  expect(requests.every(({ headers }) => headers.authorization === "Bearer mine")).toBe(true);
});

test("what the server is still at is asked for again with its key, until it is answered", async () => {
  first = [refuse(409, "IDEMPOTENCY_CONFLICT", { "Retry-After": "1" })];
  expect(await client.createSession({}, { sessionId: A })).toMatchObject({ ownerToken: `owner of ${A}` });
  const keys = requests.map(({ headers }) => headers["idempotency-key"]);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBe(keys[1]);
  first = [refuse(409, "IDEMPOTENCY_CONFLICT")];
  await expect(client.complete(A)).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
});

test("an id is made where none is given", async () => {
  const { sessionId } = await client.createSession();
  expect(sessionId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("a refusal is the caller's, and holds up nobody else", async () => {
  first = [refuse(409, "SESSION_ENDED")];
  const [refused, taken] = await Promise.allSettled([client.update(A, 0.5), client.update(B, 0.5)]);
  expect(refused).toMatchObject({ status: "rejected", reason: { code: "SESSION_ENDED", message: "SESSION_ENDED it is" } });
  expect(taken.status).toBe("fulfilled");
});

describe("while the server is away", () => {
  test("reports wait, updates are joined, and all is delivered in order when it is back", async () => {
    first = [() => "cut"];
    const created = client.createSession({}, { sessionId: A });
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    const updates = [0.1, 0.2, 0.3].map((progress) => client.update(A, progress, { [`at${progress}`]: true }));
    const ended = client.complete(A);
    expect(client.queued).toBe(3);
    await client.connect();
    expect(await created).toMatchObject({ sessionId: A });
    expect(await Promise.all(updates)).toMatchObject([{ progress: 0.3 }, { progress: 0.3 }, { progress: 0.3 }]);
    expect(await ended).toMatchObject({ status: "completed" });
    expect(sent()).toEqual(["POST ", "POST ", `POST /${A}/progress`, `POST /${A}/complete`]);
    expect(requests[2]!.body).toEqual({ progress: 0.3, metadata: { "at0.1": true, "at0.2": true, "at0.3": true } });
    expect(requests[0]!.headers["idempotency-key"]).toBe(requests[1]!.headers["idempotency-key"]);
    expect(client.queued).toBe(0);
  });

  test("no more wait than the queue holds", async () => {
    first = [() => "cut"];
    const reports = [client.update(A, 0.1), client.complete(A), client.update(B, 0.1)];
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    await expect(client.complete(B)).rejects.toMatchObject({ code: "QUEUE_FULL" });
    // Joined to what waits, so it needs no place.
    reports.push(client.update(B, 0.2));
    await client.connect();
    await Promise.all(reports);
  });

  test("it is tried again by itself, also without a connection", async () => {
    first = [() => "cut"];
    expect(await client.update(A, 0.4)).toMatchObject({ progress: 0.4 });
    expect(requests).toHaveLength(2);
  });
});

test.each([
  ["RATE_LIMIT_EXCEEDED", 429],
  ["SERVER_OVERLOAD", 503],
])("after %s the report comes again when the server said", async (code, status) => {
  first = [refuse(status, code, { "Retry-After": "2" })];
  const begun = Date.now();
  expect(await client.update(A, 0.4)).toMatchObject({ progress: 0.4 });
  expect(Date.now() - begun).toBeGreaterThanOrEqual(1_990);
  expect(requests).toHaveLength(2);
});

test("where the answer was lost, what is there already is no failure", async () => {
  first = [() => "cut", refuse(409, "SESSION_EXISTS")];
  expect(await client.createSession({}, { sessionId: A })).toMatchObject({ sessionId: A, session: { id: A } });
  first = [() => "cut", refuse(409, "SESSION_ENDED")];
  expect(await client.complete(A)).toMatchObject({ id: A, status: "completed" });
  first = [refuse(409, "SESSION_EXISTS")];
  await expect(client.createSession({}, { sessionId: A })).rejects.toMatchObject({ code: "SESSION_EXISTS" });
});

test("a session that the server has forgotten begins anew, if it began here", async () => {
  await client.createSession({ title: "vault" }, { sessionId: A });
  first = [refuse(404, "SESSION_NOT_FOUND")];
  expect(await client.update(A, 0.7)).toMatchObject({ progress: 0.7 });
  expect(sent()).toEqual(["POST ", `POST /${A}/progress`, "POST ", `POST /${A}/progress`]);
  expect(requests[2]!.body).toEqual({ sessionId: A, metadata: { title: "vault" } });
  first = [refuse(404, "SESSION_NOT_FOUND")];
  await expect(client.update(B, 0.7)).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
});

test("expired credentials are asked for again", async () => {
  const tokens = ["stale", "fresh"];
  client.config.auth = async () => tokens.shift() ?? "fresh";
  first = [refuse(401, "AUTH_REQUIRED")];
  await client.update(A, 0.4);
  expect(requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer stale", "Bearer fresh"]);
});

test("below a path of its host the server's interface is found", async () => {
  server.serve((request) => usual(request));
  const nested = server.client({ path: "/watch/socket.io/" });
  const seen: string[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    seen.push(url);
    return new Response(JSON.stringify({ session: session(1, 0.5) }), { status: 200 });
  });
  await nested.getSession(A);
  vi.unstubAllGlobals();
  expect(seen).toEqual([`http://127.0.0.1:${server.port}/watch/api/sessions/${A}`]);
});

describe("without a connection", () => {
  test("the list is read over HTTP, page by page, and told like events", async () => {
    const listed = [session(5, 0.5, { sessionId: A }), { ...session(9, 1, { sessionId: B }), status: "completed" }];
    server.serve(({ path }) => {
      const second = path.includes("cursor=two");
      return { status: 200, body: { sessions: [listed[second ? 1 : 0]], next: second ? null : "two" } };
    });
    server.breakWebSockets("swallow");
    server.io.engine.opts.allowRequest = () => {};
    const polling = server.client({ pollInterval: 20, connectTimeout: 60_000 });
    const told: unknown[] = [];
    for (const event of ["import_progress", "import_complete", "session_list"]) {
      polling.subscribe(event, (data: never) => told.push([event, (data as { sessionId?: string }).sessionId]));
    }
    void polling.connect().catch(() => {});
    await vi.waitFor(() => expect(told.slice(0, 3)).toEqual([["import_progress", A], ["import_complete", B], ["session_list", undefined]]), { timeout: 8_000 });
    expect(polling.connection.polled).toBe(true);
    listed[0] = session(6, 0.6, { sessionId: A, createdAt: CREATED });
    await vi.waitFor(() => expect(told.filter(([event]: any) => event === "import_progress").length).toBeGreaterThan(1));
    polling.disconnect();
    expect(polling.connection).toMatchObject({ state: "offline", polled: false });
  });
});
