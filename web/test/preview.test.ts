// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import { previewView } from "../src/preview";
import type { Choices, Preview } from "../src/upload";

beforeEach(() => document.body.replaceChildren());

const none = (): Choices => ({ mapping: {}, severityMap: {}, allowOlder: false });
const find = <E extends HTMLElement>(testid: string): E | null => document.querySelector<E>(`[data-testid="${testid}"]`);

function show(preview: Preview, choices = none(), dryRun = true): { choices: Choices; check: ReturnType<typeof vi.fn> } {
  const check = vi.fn();
  document.body.replaceChildren(previewView(preview, choices, dryRun, { check }));
  return { choices, check };
}

function choose(testid: string, value: string): void {
  const select = find<HTMLSelectElement>(testid)!;
  select.value = value;
  select.dispatchEvent(new Event("change"));
}

const SUMMARY = {
  new_vulnerabilities: 12,
  updated_vulnerabilities: 0,
  warnings: ["2 dates were not understood"],
  columns_found: ["Machine", "What", "How bad", "Title"],
  columns_read: { host: ["Machine"], check: ["What", "Title"], severity: ["How bad"] },
};

test("a preview tells counts, warnings, and what is read from which column", () => {
  show({ summary: SUMMARY, error: null });
  expect(find("summary-new_vulnerabilities")?.textContent).toBe("12");
  expect(find("warnings")?.textContent).toBe("2 dates were not understood.");
  expect(find("columns")?.querySelector("summary")?.textContent).toBe(
    "Columns: Host from “Machine”, Finding from “What”, Severity from “How bad”",
  );
  expect(find<HTMLDetailsElement>("columns")?.open).toBe(false);
  const check = find<HTMLSelectElement>("column-check")!;
  expect(check.options[0]?.textContent).toBe("Found: What, then Title");
  expect(find<HTMLSelectElement>("column-port")?.options[0]?.textContent).toBe("Not found");
});

test("columns that are chosen are kept for the file, and tried", () => {
  const { choices, check } = show({ summary: SUMMARY, error: null });
  choose("column-check", "Title");
  choose("column-port", "What");
  choose("column-port", "");
  expect(choices.mapping).toEqual({ check: "Title" });
  find("preview-again")!.click();
  expect(check).toHaveBeenCalledOnce();
  show({ summary: SUMMARY, error: null }, choices);
  expect(find<HTMLSelectElement>("column-check")?.value).toBe("Title");
  expect(find<HTMLDetailsElement>("columns")?.open).toBe(true);
});

test("a file whose columns are not known is asked about them, without a long list of what was wanted", () => {
  const details = { columns_found: ["Machine", "What"], columns_wanted: { nessus: ["Plugin ID"] } };
  show({ summary: null, error: { code: "CSV_UNKNOWN_FORMAT", message: "no columns are known", details } });
  expect(find("error-code")?.textContent).toBe("CSV_UNKNOWN_FORMAT");
  expect(document.body.textContent).not.toContain("Plugin ID");
  expect(find<HTMLDetailsElement>("columns")?.open).toBe(true);
  expect([...find<HTMLSelectElement>("column-host")!.options].map(({ value }) => value)).toEqual(["", "Machine", "What"]);
});

test("words for severities that are not known can be given a meaning", () => {
  const row = (received_value: string, reason: string) => ({ line_number: 2, column: "severity", received_value, reason });
  const rejections = [row("grave", "unknown_severity"), row("grave", "unknown_severity"), row("meh", "unknown_severity"), row("x", "missing_host")];
  const { choices } = show({ summary: { validation_errors: 4, rejections }, error: null });
  expect(find("severity-words")?.querySelectorAll("select")).toHaveLength(2);
  choose("word-grave", "Critical");
  expect(choices.severityMap).toEqual({ grave: "Critical" });
});

test("an older scan is taken when a person says so", () => {
  const error = { code: "OLDER_SCAN", message: "a newer scan is known", details: { hosts: ["web1"] } };
  const { choices, check } = show({ summary: null, error });
  expect(find("error-code")?.textContent).toBe("OLDER_SCAN");
  find("allow-older")!.click();
  expect(choices.allowOlder).toBe(true);
  expect(check).toHaveBeenCalledOnce();
});

test("an import that failed tells its error in its card, and here what can be done", () => {
  show({ summary: null, error: { code: "OLDER_SCAN", message: "a newer scan is known" } }, none(), false);
  expect(find("error-code")).toBeNull();
  expect(find("allow-older")).not.toBeNull();
  expect(find<HTMLButtonElement>("preview-again")?.hidden).toBe(true);
});
