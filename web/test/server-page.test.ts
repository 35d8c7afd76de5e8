// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ServerFigures } from "../src/api";
import { Readings } from "../src/server-figures";
import { ServerPage } from "../src/server-page";

const packets = (events: number): ServerFigures["packets_in"] => ({ events, pings: 0, pongs: 0 });

/** The figures of a server that has been up for so long, and counts a hundred events in and a thousand out each second. */
function figures(seconds: number, more: Partial<ServerFigures> = {}): ServerFigures {
  return {
    version: "1.2.3",
    uptime_ms: seconds * 1000,
    memory: { used_mb: 20 + seconds, available_mb: 1_000 },
    now: { connections: 8, sockets: 7, polling: 2, websockets: 6, progress_sessions: 3, queued_bytes: 4_096 },
    reconnections: 1,
    packets_in: packets(seconds * 100),
    packets_out: packets(seconds * 1000),
    disconnects: { "ping timeout": 0, "transport close": 12 },
    limits: { connections: 0, sessions: 4, "creates a second": 9 },
    loop: {
      read_bytes: seconds * 2_000,
      written_bytes: seconds * 50_000,
      panics: 0,
      lag_us: { count: seconds * 10, sum: seconds * 10 * 400, max: 12_345 },
    },
    ...more,
  };
}

describe("readings", () => {
  test("rates are what was counted between two of them", () => {
    const readings = new Readings();
    expect(readings.add(figures(10), 0).rates).toBeNull();
    expect(readings.add(figures(15), 5_000).rates).toEqual({ eventsIn: 100, eventsOut: 1000, bytesIn: 2_000, bytesOut: 50_000, lagMs: 0.4 });
    expect(readings.add({ ...figures(15), uptime_ms: 20_000 }, 10_000).rates).toMatchObject({ eventsOut: 0, lagMs: null });
  });

  test("a server that was started anew begins anew", () => {
    const readings = new Readings();
    for (const second of [10, 15]) readings.add(figures(second), second * 1000);
    expect(readings.add(figures(1), 20_000).rates).toBeNull();
    expect(readings.series(({ figures: { memory } }) => memory.used_mb)).toEqual([21]);
  });

  test("ten minutes of them are kept", () => {
    const readings = new Readings();
    for (let second = 1; second <= 130; second += 1) readings.add(figures(second), second * 5_000);
    const memory = readings.series((reading) => reading.figures.memory.used_mb);
    expect([memory.length, memory[0], memory.at(-1)]).toEqual([120, 31, 150]);
  });
});

describe("the server's page", () => {
  let reads: number;
  let page: ServerPage;
  let answer: () => Response;

  beforeEach(() => {
    document.body.innerHTML = '<section id="server-page"></section>';
    page = new ServerPage();
    vi.useFakeTimers();
    reads = 0;
    answer = () => new Response(JSON.stringify(figures(reads * 5)));
    vi.stubGlobal("fetch", async () => {
      reads += 1;
      return answer();
    });
  });
  afterEach(() => {
    page.close();
    vi.unstubAllGlobals();
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  const find = (testid: string): HTMLElement => document.querySelector(`[data-testid="${testid}"]`)!;
  const text = (testid: string): string => find(testid).textContent;
  const wait = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  test("shows clients, rates, memory and its trend, delays and limits", async () => {
    page.open();
    await wait(0);
    expect(text("server-eventsOut")).toBe("–");
    await wait(5_000);
    expect(["clients", "sessions", "uptime", "eventsIn", "eventsOut", "lag"].map((name) => text(`server-${name}`))).toEqual(["7", "3", "10 s", "100/s", "1,000/s", "0.4 ms"]);
    expect(text("server-memory")).toBe("30 MiB");
    expect(document.querySelector(".spark svg")!.getAttribute("aria-label")).toBe("Memory since this page was opened, from 25 MiB to 30 MiB");
    expect(text("server-limits")).toBe("creates a second9sessions4");
    expect(text("server-disconnects")).toBe("transport close12");
    expect(document.body.textContent).toContain("pulsewheel 1.2.3");
  });

  test("is read every five seconds, but only while somebody looks", async () => {
    await wait(20_000);
    expect(reads).toBe(0);
    page.open();
    await wait(11_000);
    expect(reads).toBe(3);
    const visibility = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    document.dispatchEvent(new Event("visibilitychange"));
    await wait(30_000);
    expect(reads).toBe(3);
    visibility.mockReturnValue("visible");
    document.dispatchEvent(new Event("visibilitychange"));
    await wait(0);
    expect(reads).toBe(4);
    page.close();
    await wait(30_000);
    expect(reads).toBe(4);
  });

  test("says of when the figures are when they can't be read any more", async () => {
    page.open();
    await wait(0);
    answer = () => {
      throw new TypeError("down");
    };
    await wait(5_000);
    expect(text("server-status")).toMatch(/^The figures could not be read: the server could not be reached\. What you see is from \d\d:\d\d:\d\d\.$/);
    expect(find("server-content").hidden).toBe(false);
    expect(find("server-content").classList.contains("old")).toBe(true);
    answer = () => new Response(JSON.stringify(figures(20)));
    await wait(5_000);
    expect(find("server-content").classList.contains("old")).toBe(false);
  });

  test("shows nothing to those who are no admins", async () => {
    answer = () => new Response(JSON.stringify({ error: { code: "FORBIDDEN", message: "this takes the role admin" } }), { status: 403 });
    page.open();
    await wait(0);
    expect(text("server-status")).toBe("The figures of the server are shown to admins only.");
    expect(find("server-content").hidden).toBe(true);
  });
});
