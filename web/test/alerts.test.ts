// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AlertList } from "../src/alerts";
import type { SystemAlert } from "../client/src/events.js";

afterEach(() => void vi.unstubAllGlobals());
beforeEach(() => {
  localStorage.clear();
  document.body.innerHTML = `
    <button id="alerts-button"><span id="alerts-count"></span></button>
    <dialog id="alerts"><button id="alerts-clear"></button><button id="alerts-close"></button>
    <p id="alerts-none"></p><p id="alerts-problem"></p><ul id="alerts-list"></ul></dialog>`;
});

/** Each is one second younger than the one before. */
let seconds = 0;
const alert = (message: string, action = false): SystemAlert => ({
  level: "warning",
  category: "system",
  message,
  action_required: action,
  timestamp: new Date(Date.parse("2025-01-12T10:35:00.000Z") + 1_000 * (seconds += 1)).toISOString(),
});

const find = (id: string): HTMLElement => document.getElementById(id)!;
const messages = (): string[] =>
  [...document.querySelectorAll("#alerts-list .toast-message")].map((message) => message.textContent);

test("keeps alerts, newest first, and counts those that are new or need action", () => {
  const list = new AlertList();
  expect(find("alerts-none").hidden).toBe(false);
  list.add(alert("one", true));
  list.add(alert("two"));
  expect(messages()).toEqual(["two", "one"]);
  expect(find("alerts-count").textContent).toBe("2");
  expect(find("alerts-button").getAttribute("aria-label")).toBe("Alerts: 2, 1 needs action");
  find("alerts-button").click();
  expect(find("alerts-count").textContent).toBe("1");
  list.add(alert("three"));
  expect(find("alerts-count").textContent).toBe("1");
});

test("of more than two hundred the oldest make room, but none that needs action", () => {
  const list = new AlertList();
  list.add(alert("act", true));
  for (let number = 1; number <= 205; number += 1) list.add(alert(`alert ${number}`));
  expect(messages()).toHaveLength(201);
  expect(messages().slice(-2)).toEqual(["alert 6", "act"]);
});

test("removing all leaves those that need action, and each can be removed by hand", () => {
  const list = new AlertList();
  list.add(alert("act", true));
  list.add(alert("read"));
  find("alerts-clear").click();
  expect(messages()).toEqual(["act"]);
  expect(find("alerts-clear").hidden).toBe(true);
  document.querySelector<HTMLButtonElement>("#alerts-list button")!.click();
  expect(messages()).toEqual([]);
  expect(find("alerts-count").hidden).toBe(true);
});

describe("alerts that the server keeps", () => {
  /** Answers the newest first, as the server does. */
  function keep(...alerts: SystemAlert[]): void {
    vi.stubGlobal("fetch", async () => new Response(JSON.stringify({ alerts: [...alerts].reverse(), next: null })));
  }

  test("are shown with new ones, in the order of their times, none of them twice", async () => {
    const [first, second, third] = [alert("first"), alert("second"), alert("third")];
    const list = new AlertList();
    list.add(second);
    keep(first, { priority: "low", ...second }, third);
    await list.load();
    list.add(third);
    expect(messages()).toEqual(["third", "second", "first"]);
    expect(find("alerts-count").textContent).toBe("3");
  });

  test("stay seen and removed when the page is loaded again", async () => {
    const [act, read, removed] = [alert("act", true), alert("read"), alert("removed")];
    keep(act, read, removed);
    const before = new AlertList();
    await before.load();
    find("alerts-button").click();
    document.querySelector<HTMLButtonElement>("#alerts-list button")!.click();
    document.getElementById("alerts-list")!.replaceChildren();
    const fresh = alert("fresh");
    keep(act, read, removed, fresh);
    (find("alerts") as HTMLDialogElement).close();
    await new AlertList().load();
    expect(messages()).toEqual(["fresh", "read", "act"]);
    expect(find("alerts-button").getAttribute("aria-label")).toBe("Alerts: 2, 1 needs action");
  });

  test("that were removed together stay away, but for those that need action", async () => {
    const kept = [alert("act", true), alert("one"), alert("two")];
    keep(...kept);
    await new AlertList().load();
    find("alerts-clear").click();
    document.getElementById("alerts-list")!.replaceChildren();
    await new AlertList().load();
    expect(messages()).toEqual(["act"]);
  });

  test("that another tab has seen are not counted here any more", async () => {
    keep(alert("one"), alert("two"));
    await new AlertList().load();
    expect(find("alerts-count").hidden).toBe(false);
    const key = Object.keys(localStorage).find((name) => name.startsWith("pulsewheel.alerts")) ?? `pulsewheel.alerts ${location.pathname}`;
    localStorage.setItem(key, JSON.stringify({ seen: Date.parse("2030-01-01"), cleared: 0, removed: [] }));
    window.dispatchEvent(new StorageEvent("storage", { key }));
    expect(find("alerts-count").hidden).toBe(true);
    expect(messages()).toHaveLength(2);
  });

  test("that cannot be read are said to be missing", async () => {
    vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("down")));
    const list = new AlertList();
    await list.load();
    expect(find("alerts-problem").textContent).toBe("Earlier alerts could not be read: the server could not be reached.");
    expect(find("alerts-problem").hidden).toBe(false);
  });
});
