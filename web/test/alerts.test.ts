// @vitest-environment happy-dom
import { beforeEach, expect, test } from "vitest";
import { AlertList } from "../src/alerts";
import type { SystemAlert } from "../client/src/events.js";

beforeEach(() => {
  document.body.innerHTML = `
    <button id="alerts-button"><span id="alerts-count"></span></button>
    <dialog id="alerts"><button id="alerts-clear"></button><button id="alerts-close"></button>
    <p id="alerts-none"></p><ul id="alerts-list"></ul></dialog>`;
});

const alert = (message: string, action = false): SystemAlert => ({
  level: "warning",
  category: "system",
  message,
  action_required: action,
  timestamp: "2025-01-12T10:35:00.000Z",
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
