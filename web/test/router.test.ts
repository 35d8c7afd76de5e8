// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import { Router, type View } from "../src/router";

class Place implements View {
  readonly element: HTMLElement;
  readonly told: string[] = [];

  constructor(readonly name: string) {
    this.element = document.createElement("section");
    this.element.innerHTML = `<h2 tabindex="-1">${name}</h2><a href="#/other/1">one</a>`;
    document.body.append(this.element);
  }

  match(hash: string): string | null {
    return hash.startsWith(`#/${this.name}`) ? hash.slice(this.name.length + 3) : null;
  }

  open(what: string): void {
    this.told.push(`open ${what}`);
  }

  close(): void {
    this.told.push("close");
  }
}

beforeEach(() => {
  location.hash = "";
  document.body.innerHTML = `<nav id="places"><a href="#">Live</a><a href="#/list">List</a></nav>
    <main id="main" tabindex="-1"></main><div id="overview"></div>`;
});

async function go(hash: string): Promise<void> {
  const moved = new Promise((resolve) => window.addEventListener("hashchange", resolve, { once: true }));
  location.hash = hash;
  await moved;
}

const current = (): string[] => [...document.querySelectorAll("[aria-current]")].map((link) => link.textContent);

test("an address shows its place and closes the one before", async () => {
  const [list, other, moved] = [new Place("list"), new Place("other"), vi.fn()];
  new Router([list, other], moved);
  const shown = (): boolean[] => [document.getElementById("overview")!, list.element, other.element].map((element) => !element.hidden);
  expect([shown(), current()]).toEqual([[true, false, false], ["Live"]]);
  await go("#/list/a");
  expect([shown(), current()]).toEqual([[false, true, false], ["List"]]);
  await go("#/other/1");
  expect([shown(), current()]).toEqual([[false, false, true], []]);
  await go("");
  expect([shown(), current()]).toEqual([[true, false, false], ["Live"]]);
  expect([list.told, other.told]).toEqual([["open a", "close"], ["open 1", "close"]]);
  expect(moved).toHaveBeenCalledTimes(4);
});

test("the focus goes to the title of a place, and back to the link that led away", async () => {
  const [list, other] = [new Place("list"), new Place("other")];
  new Router([list, other], () => {});
  await go("#/list");
  expect(document.activeElement).toBe(list.element.querySelector("h2"));
  await go("#/other/1");
  await go("#/list");
  expect(document.activeElement).toBe(list.element.querySelector("a"));
  await go("");
  expect(document.activeElement?.id).toBe("main");
});

test("fragments that are no addresses leave the place as it is", async () => {
  const list = new Place("list");
  new Router([list], () => {});
  await go("#/list");
  await go("#main");
  expect([list.element.hidden, list.told]).toEqual([false, ["open "]]);
});
