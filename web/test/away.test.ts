// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import { WebSocketClient } from "../client/src/client.js";
import type { ClientEvents, TerminalEvent } from "../client/src/events.js";
import { SessionStore } from "../client/src/session-store.js";
import { AwayNotice } from "../src/away";
import { cancelled, complete, failed, progress } from "./samples";

const openAlerts = vi.fn();
const announce = vi.fn();
let client: WebSocketClient;

beforeEach(() => {
  document.body.innerHTML = '<main id="main" tabindex="-1"></main><section id="away" hidden></section>';
  vi.clearAllMocks();
  client = new WebSocketClient();
  new AwayNotice(client, new SessionStore(client), { openAlerts, announce });
});

function tell<E extends keyof ClientEvents>(event: E, data: ClientEvents[E]): void {
  for (const callback of client.eventCallbacks.get(event) ?? []) callback(data as never);
}

const notice = (): HTMLElement => document.getElementById("away")!;
const find = (testid: string): HTMLElement | null => document.querySelector(`[data-testid="${testid}"]`);
const alert = { level: "warning", category: "system", message: "Nearly full", timestamp: "2025-01-12T10:35:00.000Z" } as const;

function miss(sessions: TerminalEvent[], alerts: ClientEvents["missed"]["alerts"] = []): void {
  for (const ending of sessions) tell(({ completed: "import_complete", error: "import_error", cancelled: "import_cancelled" } as const)[ending.status], ending as never);
  tell("missed", { since: Date.now() - 185_000, sessions, alerts });
}

test("counts what was missed, names the sessions, failed ones first, and leads to all", () => {
  tell("import_progress", progress(1, 0.5, { sessionId: "running" }));
  miss([{ ...complete(1), sessionId: "a" }, { ...complete(2), sessionId: "b" }, { ...failed(3), sessionId: "c" }], [alert]);
  expect(notice().hidden).toBe(false);
  expect(find("away-text")!.textContent).toMatch(/^While you were away \(no connection for .+\): 2 completed, 1 failed, 1 alert\. 1 still running\.$/);
  expect([...find("away-sessions")!.querySelectorAll("a")].map((link) => link.getAttribute("href"))).toEqual(["#/session/c", "#/session/a", "#/session/b"]);
  expect(find("away-history")!.getAttribute("href")).toMatch(/^#\/history\?since=\d+$/);
  expect(announce).toHaveBeenCalledExactlyOnceWith(find("away-text")!.textContent);
  find("away-alerts")!.click();
  expect(openAlerts).toHaveBeenCalledOnce();
});

test("is gone when it was dismissed, and adds up until then", () => {
  miss([{ ...failed(1), sessionId: "a" }]);
  miss([{ ...cancelled(2), sessionId: "b" }, { ...failed(3), sessionId: "c" }]);
  expect(find("away-text")!.textContent).toContain(": 2 failed, 1 cancelled.");
  const close = notice().querySelector<HTMLButtonElement>(".icon-button")!;
  close.focus();
  close.click();
  expect(notice().hidden).toBe(true);
  expect(document.activeElement?.id).toBe("main");
  miss([{ ...complete(4), sessionId: "d" }]);
  expect(find("away-text")!.textContent).toContain(": 1 completed.");
  expect(find("away-alerts")).toBeNull();
});

test("names five sessions at most", () => {
  miss(Array.from({ length: 9 }, (_, index) => ({ ...complete(index + 1), sessionId: `s${index}` })));
  expect(find("away-sessions")!.childElementCount).toBe(5);
});
