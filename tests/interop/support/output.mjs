// Outputs that nobody reads, for processes that have to go on all the same.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { until } from "./wait.mjs";

/** Ways in which an output may be of no use. */
export const DEAF = ["full", "closed", "stuck"];

/** Arguments of `spawn` for a command whose standard output and standard error are one of `DEAF`. */
export function deafOutput(t, kind, file, args) {
  if (kind === "closed") return ["bash", ["-c", 'exec "$0" "$@" >&- 2>&-', file, ...args], { stdio: "ignore" }];
  const output = kind === "full" ? fs.openSync("/dev/full", "w") : stuckPipe(t);
  t.after(() => fs.closeSync(output));
  return [file, args, { stdio: ["ignore", output, output] }];
}

/** The end to write to of a pipe that is full, and that nobody reads. */
function stuckPipe(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "pulsewheel-pipe-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, "pipe");
  execFileSync("mkfifo", [file]);
  const reader = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  t.after(() => fs.closeSync(reader));
  for (const piece of [Buffer.alloc(4096), Buffer.alloc(1)]) {
    try {
      for (;;) fs.writeSync(reader, piece);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
  return fs.openSync(file, "w");
}

/** The port on which a process listens, which cannot say so itself. */
export function portOf(pid) {
  const find = () => {
    const links = fs.readdirSync(`/proc/${pid}/fd`).map((name) => {
      try {
        return fs.readlinkSync(`/proc/${pid}/fd/${name}`);
      } catch {
        return "";
      }
    });
    const listening = fs.readFileSync("/proc/net/tcp", "utf8").split("\n").map((line) => line.trim().split(/\s+/));
    const row = listening.find((fields) => fields[3] === "0A" && links.includes(`socket:[${fields[9]}]`));
    return row && parseInt(row[1].split(":")[1], 16);
  };
  return until(find, "a port that the process listens on");
}
