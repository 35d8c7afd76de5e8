// Real scans, if the folder named by PULSEWHEEL_SCANS holds them.
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { counts, importAndWatch, startProgram, watcher } from "./support.mjs";

const FOLDER = process.env.PULSEWHEEL_SCANS;

async function scan(t, name) {
  if (!FOLDER) return void t.skip("PULSEWHEEL_SCANS names no folder with real scans");
  try {
    return await fs.readFile(path.join(FOLDER, name));
  } catch {
    return void t.skip(`${name} is not in PULSEWHEEL_SCANS`);
  }
}

async function world(t) {
  const program = await startProgram(t);
  const socket = await watcher(t, program);
  return async (csv, filename) => {
    const end = await importAndWatch(socket, program, csv, { filename });
    return { ...end, summary: counts(end.payload.summary ?? {}) };
  };
}

/** The file without its last `count` records; newlines inside quotes belong to the record. */
function withoutLastRecords(bytes, count) {
  const text = bytes.toString("latin1");
  const ends = [];
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    if (text[i] === "\n" && !quoted) ends.push(i + 1);
  }
  if (ends.at(-1) !== text.length) ends.push(text.length);
  return Buffer.from(text.slice(0, ends.at(-1 - count)), "latin1");
}

test("Tenable findings: 99 rows are 150 records, all new, and unchanged the second time", async (t) => {
  const csv = await scan(t, "tenable_vm_findings_semicolon.csv");
  if (!csv) return;
  const importCsv = await world(t);
  const first = await importCsv(csv, "tenable.csv");
  assert.deepEqual([first.answer.vendor, first.payload.total_processed, first.summary], ["tenable", 99, { new_vulnerabilities: 150 }]);
  assert.equal(first.events.at(-1)[1].count, 150);
  const second = await importCsv(csv, "tenable.csv");
  assert.deepEqual([second.payload.total_processed, second.summary], [99, { unchanged: 150 }]);
  assert.equal(second.events.at(-1)[1].count, 0);
});

test("an OpenVAS report: 43 new, 10 resolved without its last rows, 10 reopened in full", async (t) => {
  const csv = await scan(t, "openvas_report_cve.csv");
  if (!csv) return;
  const importCsv = await world(t);
  const first = await importCsv(csv, "openvas.csv");
  assert.deepEqual([first.answer.vendor, first.summary], ["openvas", { new_vulnerabilities: 43 }]);
  assert.equal(first.events.at(-1)[1].affected_entities.hosts.length, 1);
  const cut = await importCsv(withoutLastRecords(csv, 10), "openvas.csv");
  assert.deepEqual(cut.summary, { unchanged: 33, resolved_vulnerabilities: 10 });
  const full = await importCsv(csv, "openvas.csv");
  assert.deepEqual(full.summary, { unchanged: 33, reopened: 10 });
});

test("a catalogue of vulnerabilities is no scan", async (t) => {
  const csv = await scan(t, "cisa_kev.csv");
  if (!csv) return;
  const importCsv = await world(t);
  const { name, payload } = await importCsv(csv, "kev.csv");
  assert.deepEqual([name, payload.error.code], ["import_error", "CSV_UNKNOWN_FORMAT"]);
  assert.ok(payload.error.details.columns_found.length > 3);
});
