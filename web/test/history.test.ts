// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocketClient } from "../client/src/client.js";
import type { Session } from "../client/src/events.js";
import { HistoryView, historyAddress } from "../src/history";
import { CREATED, complete, failed, session } from "./samples";

const NOW = CREATED + 86_400_000;
let asked: URLSearchParams[];
let answers: ({ sessions: Session[]; next: string | null } | "down")[];

beforeEach(() => {
  document.body.innerHTML = '<section id="history-page"></section>';
  client = new WebSocketClient();
  asked = [];
  answers = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(new URLSearchParams(url.split("?")[1]));
    const answer = answers.shift() ?? { sessions: [], next: null };
    if (answer === "down") throw new TypeError("down");
    return new Response(JSON.stringify(answer));
  });
});
afterEach(() => void vi.unstubAllGlobals());

let count = 0;
function ended(title: string, of: typeof complete | typeof failed = complete): Session {
  count += 1;
  const id = `00000000-0000-4000-8000-${String(count).padStart(12, "0")}`;
  const event = { ...of(count), sessionId: id };
  return { ...session(count, 1), ...event, id, metadata: { title }, createdAt: CREATED, endedAt: CREATED + 4_000, result: null } as Session;
}

let client: WebSocketClient;
const view = (): HistoryView => new HistoryView(client, () => NOW);
const find = <E extends HTMLElement = HTMLElement>(testid: string): E => document.querySelector<E>(`[data-testid="${testid}"]`)!;
const titles = (): string[] => [...document.querySelectorAll("tbody a")].map((link) => link.textContent);
const settled = async (): Promise<void> => void (await vi.waitFor(() => expect(answers).toEqual([])));

test("each session is a row with its end, its time and its outcome, and leads to its page", async () => {
  const [one, two] = [ended("vault"), ended("scan", failed)];
  answers = [{ sessions: [one, two], next: null }];
  view().open("");
  await vi.waitFor(() => expect(titles()).toEqual(["vault", "scan"]));
  const cells = [...document.querySelectorAll("tbody tr")].map((row) => [...row.children].map(({ textContent }) => textContent));
  expect(cells[0]!.slice(1, 2).concat(cells[0]!.slice(3))).toEqual(["Done", "4 s", "78 new, 234 changed, 3 reopened, 45 resolved, 1,173 unchanged"]);
  expect(cells[1]!.slice(1, 2).concat(cells[1]!.slice(4))).toEqual(["Failed", "No column names a host."]);
  expect(document.querySelector("tbody a")!.getAttribute("href")).toBe(`#/session/${one.sessionId}`);
  expect(find("history-more").hidden).toBe(true);
});

test("a dry run is called so, however it ended, and what has no outcome has none", async () => {
  const { summary: _, ...rest } = ended("bare");
  answers = [{ sessions: [{ ...ended("tried", failed), metadata: { title: "tried", dry_run: true } }, rest as Session], next: null }];
  view().open("");
  await vi.waitFor(() => expect(titles()).toEqual(["tried", "bare"]));
  const [tried, bare] = [...document.querySelectorAll("tbody tr")];
  expect(tried!.querySelector(".main-cell")!.textContent).toBe("triedVulnerability import, dry run");
  expect(bare!.querySelector(".result-cell")!.childNodes).toHaveLength(0);
});

test("more is read behind what is shown, and the focus goes to it when that was all", async () => {
  answers = [{ sessions: [ended("one")], next: "cursor one" }];
  view().open("");
  await vi.waitFor(() => expect(titles()).toEqual(["one"]));
  answers = [{ sessions: [ended("two")], next: null }];
  find("history-more").focus();
  find("history-more").click();
  await vi.waitFor(() => expect(titles()).toEqual(["one", "two"]));
  expect(asked.map((query) => query.get("cursor"))).toEqual([null, "cursor one"]);
  expect(document.activeElement?.textContent).toBe("two");
});

test("status and time are asked for, taken from the address and written to it", async () => {
  const shown = view();
  shown.open("status=error&since=24h");
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  expect(Object.fromEntries(asked[0]!)).toEqual({ status: "error", since: String(NOW - 86_400_000), limit: "50" });
  await vi.waitFor(() => expect(find("history-message").textContent).toBe("No session of the history matches."));
  const status = find<HTMLSelectElement>("history-status");
  status.value = "cancelled";
  status.dispatchEvent(new Event("change"));
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]!.get("status")).toBe("cancelled");
  expect(location.hash).toBe("#/history?status=cancelled&since=24h");
  shown.open(`since=${CREATED}`);
  await vi.waitFor(() => expect(asked).toHaveLength(3));
  expect(Object.fromEntries(asked[2]!)).toEqual({ since: String(CREATED), limit: "50" });
  expect(find<HTMLSelectElement>("history-since").selectedOptions[0]!.textContent).toMatch(/^Since 12 Jan 2025/);
  shown.open("status=nonsense&since=yesterday");
  await vi.waitFor(() => expect(asked).toHaveLength(4));
  expect(Object.fromEntries(asked[3]!)).toEqual({ limit: "50" });
});

test("what has ended since stands above what is shown, which stays as it is", async () => {
  const [old, fresh] = [ended("old"), ended("fresh")];
  answers = [{ sessions: [old], next: "more" }];
  const shown = view();
  shown.open("");
  await vi.waitFor(() => expect(titles()).toEqual(["old"]));
  const row = document.querySelector("tbody tr");
  shown.close();
  answers = [{ sessions: [fresh, old], next: "other" }];
  shown.open("");
  await vi.waitFor(() => expect(titles()).toEqual(["fresh", "old"]));
  expect(document.querySelectorAll("tbody tr")[1]).toBe(row);
  find("history-more").click();
  await vi.waitFor(() => expect(asked.at(-1)!.get("cursor")).toBe("more"));
});

test("an end is shown while the history is looked at, and not read by a page that shows something else", async () => {
  answers = [{ sessions: [], next: null }];
  const shown = view();
  shown.open("");
  await settled();
  await vi.waitFor(() => expect(find("history-message").textContent).toContain("No session has ended yet"));
  const live = ended("live");
  const end = (): void => {
    for (const callback of client.eventCallbacks.get("import_complete") ?? []) callback({ ...complete(1), sessionId: live.sessionId } as never);
  };
  answers = [{ sessions: [live], next: null }];
  end();
  await vi.waitFor(() => expect(titles()).toEqual(["live"]));
  shown.close();
  const before = asked.length;
  end();
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(asked).toHaveLength(before);
});

test("an end that the server has told before it has written it is shown when it is written", async () => {
  view().open("");
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  const late = ended("late");
  answers = [{ sessions: [], next: null }, { sessions: [late], next: null }];
  for (const callback of client.eventCallbacks.get("import_complete") ?? []) callback({ ...complete(1), sessionId: late.sessionId } as never);
  await vi.waitFor(() => expect(titles()).toEqual(["late"]), { timeout: 10_000 });
  expect(asked).toHaveLength(3);
}, 20_000);

test("a history that cannot be read says so and can be tried again", async () => {
  answers = ["down"];
  view().open("");
  await vi.waitFor(() => expect(find("history-message").textContent).toContain("The history could not be read: the server could not be reached."));
  answers = [{ sessions: [ended("back")], next: null }];
  find("history-message").querySelector("button")!.click();
  await vi.waitFor(() => expect(titles()).toEqual(["back"]));
  expect(find("history-message").hidden).toBe(true);
});

test("addresses name only what is wanted", () => {
  expect(historyAddress({})).toBe("#/history");
  expect(historyAddress({ status: "error", since: "1h" })).toBe("#/history?status=error&since=1h");
});
