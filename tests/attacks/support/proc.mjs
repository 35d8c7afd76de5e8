// What Linux knows of a process.
import fs from "node:fs";

const MIB = 1024 * 1024;
/** Ticks of /proc/PID/stat in a second, on every Linux of today. */
const TICKS_PER_SECOND = 100;

function statusKib(pid, field) {
  const line = fs.readFileSync(`/proc/${pid}/status`, "latin1").match(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m"));
  return Number(line[1]);
}

/** Resident memory in MiB. */
export const residentMib = (pid) => (statusKib(pid, "VmRSS") * 1024) / MIB;

/** Anonymous memory in MiB: of a build for development too, which has more code than its budget knows of. */
export const anonymousMib = (pid) => (statusKib(pid, "RssAnon") * 1024) / MIB;

/** The most resident memory in MiB since the process began, or since `forgetPeak`. */
export const peakMib = (pid) => (statusKib(pid, "VmHWM") * 1024) / MIB;

export const forgetPeak = (pid) => fs.writeFileSync(`/proc/${pid}/clear_refs`, "5");

/** Open descriptors, but those of files in the program's folder: SQLite keeps some of these, for the next import. */
export function descriptors({ pid, folder }) {
  const paths = fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      // Closed meanwhile.
      return undefined;
    }
  });
  return paths.filter((path) => path !== undefined && !(folder && path.startsWith(folder))).length;
}

/** Processor time that the process has used, user and system, in seconds. */
export function cpuSeconds(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold anything, so counting begins behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The state of the process as one letter: R, S, T for stopped, … */
export function stateOf(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2)[0];
}
