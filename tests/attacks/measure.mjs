// Measures every attack against the builds that PULSEWHEEL_ECHO and PULSEWHEEL_BIN name, and writes a table:
//   node measure.mjs [--seconds 8] [--only WORD] [--out FILE]
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { parseArgs } from "node:util";
import { attacks } from "./kinds/index.mjs";
import { startTarget } from "./support/beside.mjs";
import { missedBounds } from "./support/bounds.mjs";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "8" }, only: { type: "string", default: "" }, out: { type: "string" } },
});
const seconds = Number(values.seconds);
const HEAD = ["attack", "answers", "worst wait ms", "p99.9 ms", "growth MiB", "processor s", "sent MiB", "closed", "other", "bound missed"];

/** Figures of single attacks. */
const OTHERS = ["dropped", "inKernel", "takenMib", "endedLate"];

/** Whether a process may be given real-time priority here; then the healthy client waits for nobody but the server. */
function hasPriority() {
  try {
    execFileSync("chrt", ["--fifo", "10", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Stands in for a test: what is to be cleaned up when the measurement is over. */
class Scope {
  #cleanups = [];

  after(cleanup) {
    this.#cleanups.unshift(cleanup);
  }

  async close() {
    for (const cleanup of this.#cleanups) await cleanup();
  }
}

const digits = (value, count = 1) => (value === undefined ? "" : value.toFixed(count));

function row(attack, figures) {
  // How much processor time is too much depends on how long is measured.
  const { cpuSeconds: _, ...bounds } = attack.bounds;
  const { answers, punctualAnswers, worstMs, p999Ms, growthMib, cpuSeconds, sentMib, closed } = figures;
  const counted = answers === undefined ? "" : `${answers} + ${punctualAnswers}`;
  const others = OTHERS.filter((name) => figures[name] !== undefined).map((name) => `${name} ${Math.round(figures[name])}`);
  return [
    attack.title,
    counted,
    digits(worstMs),
    digits(p999Ms),
    digits(growthMib),
    digits(cpuSeconds, 2),
    digits(sentMib, 0),
    closed ?? "",
    others.join(", "),
    missedBounds(bounds, figures).map((text) => text.split(":")[0]).join(", "),
  ];
}

const lines = [HEAD, HEAD.map(() => "---")];
const priority = hasPriority();
for (const attack of attacks.filter(({ title }) => title.includes(values.only))) {
  const scope = new Scope();
  let line;
  try {
    const target = attack.server && (await startTarget(scope, attack.server, attack.flags));
    await attack.setUp?.(target);
    line = row(attack, await attack.measure(scope, target, { seconds, answers: 0, limitSeconds: 4 * seconds, priority }));
  } catch (error) {
    line = [attack.title, `failed: ${error.message.split("\n")[0]}`, ...HEAD.slice(2).map(() => "")];
  }
  await scope.close().catch((error) => (line[HEAD.length - 1] += ` ${error.message.split("\n")[0]}`));
  lines.push(line);
  console.log(line.join(" | "));
}
const table = lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
if (values.out) fs.writeFileSync(values.out, table);
else console.log(`\n${table}`);
process.exit(0);
