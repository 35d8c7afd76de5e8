import { afterEach, describe, expect, test, vi } from "vitest";
import type { WebSocketClient } from "../client/src/client.js";
import type { ClientEvents, Missed, Session, SystemAlert } from "../client/src/events.js";
import { SessionStore } from "../client/src/session-store.js";
import { CREATED, ID, cancelled, complete, failed, session } from "./samples";
import { type ApiAnswer, TestServer } from "./server";

const OTHER = "7c3e5b90-41d2-4a6f-8e17-9f0b2d6c5a38";
const THIRD = "b2a7e5c4-6d1f-4f3b-9c8e-5a4d3e2f1b0c";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A server that keeps what happened, and a client whose connection to it has been cut once. */
class Kept {
  sessions: Session[] = [];
  alerts: SystemAlert[] = [];
  /** Answers instead, while there are any. */
  readonly instead: ApiAnswer[] = [];
  readonly asked: string[] = [];

  constructor(readonly server: TestServer) {
    server.serve(({ path }) => {
      this.asked.push(path);
      const [, name, query] = /^\/(\w+)\??(.*)$/.exec(path)!;
      if (name === "sessions") return { status: 200, body: { sessions: [], next: null } };
      const instead = this.instead.shift();
      if (instead) return instead;
      const cursor = Number(new URLSearchParams(query).get("cursor") ?? 0);
      const [key, all] = name === "history" ? (["sessions", this.sessions] as const) : (["alerts", this.alerts] as const);
      const next = cursor + 2 < all.length ? String(cursor + 2) : null;
      return { status: 200, body: { [key]: all.slice(cursor, cursor + 2), next } };
    });
  }

  static async start(): Promise<Kept> {
    const server = await TestServer.start();
    endings.push(() => server.stop());
    return new Kept(server);
  }

  async client(config: Parameters<TestServer["client"]>[0] = {}): Promise<WebSocketClient> {
    const client = this.server.client(config);
    endings.push(() => client.disconnect());
    const listed = next(client, "session_list");
    await client.connect();
    await listed;
    return client;
  }

  get histories(): string[] {
    return this.asked.filter((path) => path.startsWith("/history"));
  }
}

function next<E extends keyof ClientEvents>(client: WebSocketClient, event: E): Promise<ClientEvents[E]> {
  return new Promise((resolve) => client.subscribe(event, resolve));
}

function collect<E extends keyof ClientEvents>(client: WebSocketClient, event: E): ClientEvents[E][] {
  const seen: ClientEvents[E][] = [];
  client.subscribe(event, (data) => seen.push(data));
  return seen;
}

function ended(id: string, seq: number, of: typeof complete | typeof failed | typeof cancelled): Session {
  const event = { ...of(seq), sessionId: id };
  return { ...session(seq, 1), ...event, id, endedAt: CREATED + seq, result: null } as unknown as Session;
}

const alert = (message: string, at: number): SystemAlert => ({
  level: "warning",
  category: "system",
  message,
  timestamp: new Date(at).toISOString(),
});

describe("what was missed", () => {
  test("is handed over once, each as its own event, and then told together", async () => {
    const kept = await Kept.start();
    const client = await kept.client();
    const order: string[] = [];
    client.subscribe("import_complete", ({ sessionId }) => order.push(`complete ${sessionId === ID}`));
    client.subscribe("import_error", ({ sessionId, error }) => order.push(`error ${sessionId === OTHER} ${error.code}`));
    client.subscribe("import_cancelled", ({ sessionId, reason }) => order.push(`cancelled ${sessionId === THIRD} ${reason}`));
    client.subscribe("system_alert", ({ message }) => order.push(`${message} ${client.isCatchingUp}`));
    client.subscribe("session_list", () => order.push("list"));
    const missed = collect(client, "missed");
    kept.sessions = [ended(THIRD, 30, cancelled), ended(OTHER, 20, failed), ended(ID, 10, complete)];
    kept.alerts = [3, 2, 1].map((number) => alert(`alert ${number}`, Date.now() + number));
    kept.server.cut();
    await vi.waitFor(() => expect(missed).toHaveLength(1));
    expect(order).toEqual([
      "complete true",
      "error true CSV_UNKNOWN_FORMAT",
      "cancelled true user_requested",
      "alert 1 true",
      "alert 2 true",
      "alert 3 true",
      "list",
    ]);
    expect(missed[0]!.sessions.map(({ status }) => status)).toEqual(["completed", "error", "cancelled"]);
    expect(missed[0]!.alerts.map(({ message }) => message)).toEqual(["alert 1", "alert 2", "alert 3"]);
    expect(Math.abs(missed[0]!.since - Date.now())).toBeLessThan(60_000);
    const again = next(client, "session_list");
    kept.server.cut();
    await again;
    expect([order.length, missed.length]).toEqual([8, 1]);
  });

  test("is asked for from shortly before the loss on, by the server's clock", async () => {
    const kept = await Kept.start();
    const client = await kept.client();
    expect(kept.histories).toEqual([]);
    const ahead = 3_600_000;
    const beat = next(client, "heartbeat");
    kept.server.io.emit("heartbeat", { server_time: new Date(Date.now() + ahead).toISOString() });
    await beat;
    const listed = next(client, "session_list");
    kept.server.cut();
    await listed;
    const since = Number(new URLSearchParams(kept.histories[0]!.split("?")[1]).get("since"));
    expect(Math.abs(since - Date.now() - ahead)).toBeLessThan(30_000);
  });

  test("does not name what was told live, nor an alert that comes again", async () => {
    const kept = await Kept.start();
    const client = await kept.client();
    const [ends, alerts, missed] = [collect(client, "import_complete"), collect(client, "system_alert"), collect(client, "missed")];
    const known = alert("known", Date.now());
    kept.server.io.emit("system_alert", known);
    kept.server.io.emit("import_complete", complete(10));
    await vi.waitFor(() => expect([ends.length, alerts.length]).toEqual([1, 1]));
    kept.sessions = [ended(ID, 10, complete)];
    kept.alerts = [{ priority: "low", ...known }];
    const listed = next(client, "session_list");
    kept.server.cut();
    await listed;
    expect([ends.length, alerts.length, missed.length]).toEqual([1, 1, 0]);
  });

  test("counts whatever told of it: the list of sessions too", async () => {
    const kept = await Kept.start();
    const client = await kept.client();
    kept.server.answers["list_sessions"] = (_request, ack) => ack({ ok: true, sessions: [ended(ID, 10, complete)], next: null });
    const missed = next(client, "missed");
    kept.server.cut();
    expect((await missed).sessions).toHaveLength(1);
  });

  test("is asked for again where the server is too busy, and told then", async () => {
    const kept = await Kept.start();
    const client = await kept.client({ commandTimeout: 100 });
    kept.sessions = [ended(ID, 10, failed)];
    kept.instead.push({ status: 503, body: { error: { code: "SERVER_OVERLOAD", message: "too many queries" } } });
    const missed = next(client, "missed");
    kept.server.cut();
    expect((await missed).sessions.map(({ sessionId }) => sessionId)).toEqual([ID]);
    expect(kept.histories).toHaveLength(2);
  });

  test("is not asked for again of a server that keeps nothing", async () => {
    const kept = await Kept.start();
    const client = await kept.client();
    kept.instead.push({ status: 404 });
    for (let round = 0; round < 3; round += 1) {
      const listed = next(client, "session_list");
      kept.server.cut();
      await listed;
    }
    expect(kept.histories).toHaveLength(1);
  });

  test("ends sessions that the server has forgotten: none of them is lost", async () => {
    const kept = await Kept.start();
    const client = await kept.client();
    const store = new SessionStore(client);
    kept.server.answers["track_session"] = (_request, ack) =>
      ack({ ok: false, error: { code: "SESSION_NOT_FOUND", message: "no such session" } });
    kept.server.io.emit("import_progress", { ...session(5, 0.5) });
    await vi.waitFor(() => expect(store.get(ID)?.status).toBe("processing"));
    kept.sessions = [ended(ID, 10, complete)];
    const missed = next(client, "missed");
    kept.server.cut();
    await missed;
    expect(store.get(ID)).toMatchObject({ status: "completed", endedAt: CREATED + 10 });
    store.close();
  });

  test("while the list is read over HTTP, news come as events, and are called missed only after silence", async () => {
    const kept = await Kept.start();
    const client = await kept.client({ pollInterval: 20, autoReconnect: false });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    endings.push(() => vi.useRealTimers());
    const missed: Missed[] = collect(client, "missed");
    const alerts = collect(client, "system_alert");
    kept.alerts = [alert("first", Date.now())];
    kept.server.cut();
    const until = async (condition: () => boolean): Promise<void> => {
      while (!condition()) {
        await vi.advanceTimersByTimeAsync(50);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await until(() => missed.length === 1);
    kept.alerts = [alert("second", Date.now() + 1), ...kept.alerts];
    await until(() => alerts.length === 2);
    const read = kept.histories.length;
    await until(() => kept.histories.length > read);
    expect(missed.map((each) => each.alerts.map(({ message }) => message))).toEqual([["first"]]);
  });
});
