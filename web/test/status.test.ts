// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WebSocketClient } from "../client/src/client.js";
import type { ConnectionInfo } from "../client/src/events.js";
import { refreshButton } from "../src/refresh";
import { StatusView } from "../src/status";

const NOW = Date.parse("2025-01-12T10:32:15Z");
const QUIET: ConnectionInfo = {
  state: "connected",
  transport: "websocket",
  attempt: 0,
  retryInMs: null,
  reason: null,
  quiet: false,
  unanswered: false,
  polled: false,
};

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  document.body.innerHTML = `<p id="connection"><span id="connection-word"></span><span id="connection-countdown"></span>
    <span id="transport"></span></p><div id="banner"></div><p id="heartbeat"></p><button id="refresh">Refresh</button>`;
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const text = (id: string): string => document.getElementById(id)!.textContent!.replace(/\s+/g, " ").trim();
const chip = (): string[] => [document.getElementById("connection")!.getAttribute("data-state")!, text("connection-word"), text("connection-countdown")];

/** A status whose connection a test tells about, the server having been heard just now. */
function status(): { tell: (change: Partial<ConnectionInfo>) => void; retry: ReturnType<typeof vi.fn> } {
  const callbacks = new Map<string, (data: unknown) => void>();
  const client = {
    connection: QUIET,
    lastHeardMs: NOW,
    subscribe: (event: string, callback: (data: unknown) => void) => void callbacks.set(event, callback),
  };
  const retry = vi.fn();
  new StatusView(client as unknown as WebSocketClient, retry, () => false);
  return { tell: (change) => callbacks.get("connection_changed")!({ ...QUIET, ...change }), retry };
}

test("live, stale, polling, reconnecting, frozen and offline are told apart", () => {
  const { tell } = status();
  const cases: [Partial<ConnectionInfo>, string[]][] = [
    [{}, ["connected", "Live", ""]],
    [{ quiet: true }, ["quiet", "Stale", ""]],
    [{ state: "reconnecting", polled: true }, ["polled", "Polling", ""]],
    [{ state: "reconnecting", retryInMs: 3_000 }, ["reconnecting", "Reconnecting", "in 3 s"]],
    [{ state: "reconnecting" }, ["reconnecting", "Reconnecting", "…"]],
    [{ state: "reconnecting", unanswered: true }, ["frozen", "No answer", ""]],
    [{ state: "offline", transport: null }, ["offline", "Offline", ""]],
  ];
  for (const [change, shown] of cases) {
    tell(change);
    expect(chip()).toEqual(shown);
  }
});

test("a device without a network is offline, but not while the server answers", () => {
  const { tell } = status();
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  tell({});
  expect(chip()[0]).toBe("connected");
  tell({ state: "reconnecting", retryInMs: 1_000 });
  expect(chip()[0]).toBe("offline");
  vi.advanceTimersByTime(4_000);
  expect(text("banner")).toContain("This device is offline. What you see is from 4 s ago.");
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(true);
  window.dispatchEvent(new Event("online"));
  expect(chip()[0]).toBe("reconnecting");
});

test("the banner says how old the figures are and when it goes on, after a moment", () => {
  const { tell, retry } = status();
  tell({ state: "reconnecting", retryInMs: 8_000 });
  expect(document.getElementById("banner")!.hidden).toBe(true);
  vi.advanceTimersByTime(5_000);
  expect(chip()[2]).toBe("in 3 s");
  expect(text("banner")).toContain("What you see is from 5 s ago. Running work does not depend on this page. Trying again in 3 seconds.");
  document.querySelector<HTMLElement>('[data-testid="retry"]')!.click();
  expect(retry).toHaveBeenCalledOnce();
  tell({});
  expect(document.getElementById("banner")!.hidden).toBe(true);
});

test("a refresh says what came of it, and is not begun twice", async () => {
  const button = document.getElementById("refresh")!;
  const endings: ((error?: Error) => void)[] = [];
  const read = vi.fn(() => new Promise<void>((resolve, reject) => endings.push((error) => (error ? reject(error) : resolve()))));
  refreshButton(button, read);
  button.click();
  button.click();
  expect(read).toHaveBeenCalledOnce();
  expect(button.textContent).toBe("Reading…");
  endings[0]!();
  await vi.advanceTimersByTimeAsync(0);
  expect(button.textContent).toMatch(/^Read at \d\d:\d\d:15$/);
  button.click();
  endings[1]!(new Error("the server does not answer"));
  await vi.advanceTimersByTimeAsync(0);
  expect(button.textContent).toBe("Not read: the server does not answer");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(button.textContent).toBe("Refresh");
});
