// The small samples in tests/data, one per format, through the running program.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { importAndWatch, openWorld } from "./support.mjs";

const sample = (name) => fs.readFileSync(new URL(`../data/${name}`, import.meta.url));

let program, socket, close;
before(async () => ({ program, socket, close } = await openWorld()));
after(() => close());

const importSample = (name, options) => importAndWatch(socket, program, sample(name), { filename: name, ...options });
const entry = async (importId) => (await program.call("GET", "/api/imports?limit=100")).body.items.find((item) => item.importId === importId);

for (const format of ["tenable", "nessus", "openvas", "generic"]) {
  test(`${format}.csv is known as ${format}; the second time nothing is new`, async () => {
    const first = await importSample(`${format}.csv`);
    assert.equal(first.name, "import_complete", JSON.stringify(first.payload));
    const { format: found, vendor, status } = await entry(first.answer.importId);
    assert.deepEqual([found, vendor, status, first.answer.vendor], [format, format, "completed", format]);
    assert.ok(first.payload.summary.new_vulnerabilities > 0);
    assert.equal(first.events.at(-1)[1].count, first.payload.summary.new_vulnerabilities);
    const { payload } = await importSample(`${format}.csv`);
    const { new_vulnerabilities, skipped_duplicates, validation_errors } = first.payload.summary;
    assert.deepEqual(payload.summary, {
      ...first.payload.summary,
      new_vulnerabilities: 0,
      unchanged: new_vulnerabilities,
      skipped_duplicates,
      validation_errors,
    });
  });
}

for (const name of ["bom.csv", "tabs.csv", "preamble.csv", "ragged.csv", "windows-1252.csv"]) {
  test(`${name} is imported`, async () => {
    const { name: event, payload } = await importSample(name, { before: [["vendor", name]] });
    assert.equal(event, "import_complete", JSON.stringify(payload));
    assert.ok(payload.summary.new_vulnerabilities > 0);
    assert.equal(payload.summary.encoding_replacements > 0, name === "windows-1252.csv");
  });
}

test("catalogue.csv is no scan", async () => {
  const { name, payload } = await importSample("catalogue.csv");
  assert.deepEqual([name, payload.error.code], ["import_error", "CSV_UNKNOWN_FORMAT"]);
});
