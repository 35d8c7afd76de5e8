// @vitest-environment happy-dom
// <pulsewheel-progress>: what it shows, and that it costs nothing when it is gone.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocketClient } from "../client/src/client.js";
import { PulsewheelProgress, defineElement } from "../client/src/element.js";
import type { ClientEvents } from "../client/src/events.js";
import { ID, cancelled, complete, failed, progress } from "./samples";

let client: WebSocketClient;
let tracked: string[];
let servers = 0;

beforeEach(() => {
  defineElement();
  tracked = [];
  vi.spyOn(WebSocketClient.prototype, "connect").mockImplementation(function (this: WebSocketClient) {
    client = this;
    return Promise.resolve(true);
  });
  vi.spyOn(WebSocketClient.prototype, "trackImportProgress").mockImplementation((id) => void tracked.push(id));
  vi.useFakeTimers({ now: Date.parse("2025-01-12T10:32:16.000Z"), toFake: ["Date", "setInterval", "clearInterval"] });
});

afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** An element on the page, of a server that no other test has asked. */
function shown(): PulsewheelProgress {
  const element = document.createElement("pulsewheel-progress") as PulsewheelProgress;
  element.setAttribute("session", ID.toUpperCase());
  element.setAttribute("server", `http://server-${(servers += 1)}.example`);
  document.body.append(element);
  return element;
}

/** Hands an event to the subscribers, and waits until the page knows. */
async function tell<E extends keyof ClientEvents>(event: E, data: ClientEvents[E]): Promise<void> {
  for (const callback of client.eventCallbacks.get(event) ?? []) callback(data as never);
  await Promise.resolve();
}

const part = (element: PulsewheelProgress, name: string): HTMLElement => element.shadowRoot!.querySelector(`.${name}`)!;
const told = (element: PulsewheelProgress): string[] => ["name", "percent", "facts"].map((name) => part(element, name).textContent);

test("the element shows how far a session is without a line of code", async () => {
  const element = shown();
  expect(tracked).toEqual([ID]);
  await tell("import_progress", progress(2, 0.65));
  expect(told(element)).toEqual(["scan.csv", "65%", "Reading rows · 650 of 1,000 rows · about 45 seconds left"]);
  expect(part(element, "bar").getAttribute("aria-valuenow")).toBe("65");
});

test.each([
  ["a completion", "import_complete", complete(3), "Done"],
  ["a failure", "import_error", failed(3), "no column names a host"],
  ["a cancellation", "import_cancelled", cancelled(3), "Cancelled"],
] as const)("the element tells %s", async (_name, event, data, words) => {
  const element = shown();
  const ended: unknown[] = [];
  element.addEventListener("end", (end) => ended.push((end as CustomEvent<{ status: string }>).detail.status));
  await tell("import_progress", progress(2, 0.65));
  await tell(event, data);
  expect(part(element, "facts").textContent).toBe(words);
  expect(ended).toEqual([data.status]);
});

test("the element tells that nobody knows its session", async () => {
  const element = shown();
  await tell("session_lost", { sessionId: ID, error: { code: "SESSION_NOT_FOUND", message: "no such session" } });
  expect(part(element, "facts").textContent).toBe("The server does not know this session.");
});

test("of the element only what has changed is written", async () => {
  const element = shown();
  await tell("import_progress", progress(2, 0.65));
  const written: Node[] = [];
  const observer = new MutationObserver((records) => written.push(...records.map(({ target }) => target)));
  observer.observe(element.shadowRoot!, { subtree: true, childList: true, attributes: true, characterData: true });
  await tell("import_progress", progress(3, 0.65, { eta_seconds: 20 }));
  written.push(...observer.takeRecords().map(({ target }) => target));
  const parts = ["name", "percent", "bar", "fill", "facts"].filter((name) => written.some((node) => part(element, name).contains(node) && node !== part(element, "bar")));
  expect(parts).toEqual(["facts"]);
});

test("an element that is taken from the page leaves no subscription and no timer", async () => {
  const before = vi.getTimerCount();
  const element = shown();
  const kept = (): number => [...client.eventCallbacks.values()].reduce((sum, callbacks) => sum + callbacks.size, 0);
  await tell("import_progress", progress(2, 0.5));
  const watched = kept();
  expect(vi.getTimerCount()).toBe(before + 1);
  element.remove();
  expect(kept()).toBe(watched - 1);
  expect(vi.getTimerCount()).toBe(before);
  await tell("import_progress", progress(3, 0.9));
  expect(part(element, "percent").textContent).toBe("50%");
});
