// The command `pulsewheel import`: what it sends, says and ends with.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { test } from "node:test";
import {
  command,
  findings,
  manyRows,
  NESSUS_HEADER,
  nessusCsv,
  programFile,
  runProgram,
  startProgram,
  temporaryFolder,
  until,
  UUID,
  watcher,
} from "./support.mjs";

/** A file in a folder of its own. */
function file(name, content) {
  const at = path.join(temporaryFolder(), name);
  fs.writeFileSync(at, content);
  return at;
}

/** Runs the command against a server; gives status and what it said. */
async function importFiles(server, args, options) {
  const ended = await runProgram(["import", "--server", server.origin ?? server, ...args], options);
  return { ...ended, stdout: ended.stdout.toString() };
}

/** A stand-in for a server, which answers as `answer(request, response, body)` does; with `tls` it speaks HTTPS. */
async function standIn(t, answer, tls) {
  const listener = (request, response) => {
    const body = [];
    request.on("data", (chunk) => body.push(chunk));
    request.once("end", () => answer(request, response, Buffer.concat(body).toString()));
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `${tls ? "https" : "http"}://127.0.0.1:${server.address().port}`;
}

/** Key and certificate for 127.0.0.1, and the file of the authority that signed it; null without the program `openssl`. */
function certificate() {
  const folder = temporaryFolder();
  const openssl = (...args) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  try {
    openssl(...request, "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem");
    const extensions = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"];
    openssl(...request, "-subj", "/CN=test server", ...extensions, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem");
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
  const read = (name) => fs.readFileSync(path.join(folder, name));
  return { key: read("server.key"), cert: read("server.pem"), authority: path.join(folder, "ca.pem") };
}

const json = (response, status, body) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));

test("I121 I125 without --wait it ends when the server has the file, and names import and session", async (t) => {
  const program = await startProgram(t);
  const { status, stdout } = await importFiles(program, [file("week.csv", nessusCsv(manyRows("taken-host", 3)))]);
  const [, importId, session] = /^week\.csv: taken in as import (\d+) of nessus, session (\S+)\n$/.exec(stdout) ?? assert.fail(stdout);
  assert.equal(status, 0);
  assert.match(session, UUID);
  await until(async () => (await program.call("GET", `/api/imports/${importId}`)).body.import.status === "completed", "end of the import");
  assert.equal((await findings(program, "taken-host")).total, 3);
});

test("I112 I121 with --wait it tells what came of the file, and how far it is in plain lines", async (t) => {
  const program = await startProgram(t);
  const rows = [...manyRows("waited-host", 3), { host: "waited-host", id: 5000 }, { host: "waited-host", risk: "Xyzzy" }];
  const { status, stdout, stderr } = await importFiles(program, ["--wait", file("week.csv", nessusCsv(rows))]);
  assert.equal(status, 0, stderr);
  assert.equal(
    stdout,
    `week.csv: import 1, nessus
  findings: 3 new, 0 updated, 0 reopened, 0 unchanged, 0 resolved
  1 records came before in the file
  1 rows were rejected
    line 6: unknown_severity, severity is "Xyzzy"
`,
  );
  assert.ok(!stderr.includes("\x1b") && !stderr.includes("\r"), JSON.stringify(stderr));
  for (const line of stderr.split("\n").filter(Boolean)) assert.match(line, /^week\.csv: \d+ %/);
});

test("I112 on a terminal it draws a bar, and takes it away at the end", async (t) => {
  try {
    execFileSync("script", ["--version"], { stdio: "ignore" });
  } catch {
    return t.skip("no program `script` on this machine, which makes terminals");
  }
  const program = await startProgram(t);
  const { stdout: csv } = await runProgram(["generate", "--bytes", "8000000", "--seed", "5"]);
  const line = [programFile(), "import", "--server", program.origin, "--wait", file("large.csv", csv)].join(" ");
  const shown = execFileSync("script", ["--quiet", "--return", "--command", line, "/dev/null"], { encoding: "utf8" });
  assert.match(shown, /\r\x1b\[K\[#*-*\] \d+ %[^\r\n]*large\.csv/);
  assert.match(shown, /\r\x1b\[Klarge\.csv: import 1, /);
});

test("I120 a dry run stores nothing", async (t) => {
  const program = await startProgram(t);
  const { status, stdout } = await importFiles(program, ["--dry-run", file("week.csv", nessusCsv(manyRows("dry-host", 2)))]);
  assert.equal(status, 0);
  assert.match(stdout, /^week\.csv: dry run, nothing was stored, nessus\n {2}findings: 2 new, /);
  assert.equal((await findings(program, "dry-host")).total, 0);
  assert.equal((await program.call("GET", "/api/imports")).body.total, 0);
});

test("I113 I114 label and reach are those that were asked for", async (t) => {
  const program = await startProgram(t);
  const label = "Acme & Söhne/1";
  const rows = manyRows("reach-host", 3);
  const args = ["--wait", "--vendor", label];
  await importFiles(program, [...args, file("a.csv", nessusCsv(rows))]);
  const part = file("b.csv", nessusCsv(rows.slice(0, 1)));
  const left = await importFiles(program, [...args, "--resolve", "none", part]);
  assert.match(left.stdout, / 1 unchanged, 0 resolved/);
  const cleared = await importFiles(program, [...args, part]);
  assert.match(cleared.stdout, / 1 unchanged, 2 resolved/);
  assert.deepEqual(new Set((await findings(program, "reach-host")).items.map(({ vendor }) => vendor)), new Set([label]));
});

test("I115 I117 I118 I119 columns, words, site and date of the scan are those that were given", async (t) => {
  const program = await startProgram(t);
  const own = file("own.csv", "Machine,What,How bad\nown-host,Old kernel,grave\nown-host,Open port,meh\n");
  const args = ["--wait", "--vendor", "own", "--scan-date", "2024-03-18"];
  const maps = ["--mapping", '{"host": "Machine", "check": "What", "severity": "How bad"}', "--severity-map", '{"grave": "Critical", "meh": "Low"}'];
  const { status, stderr } = await importFiles(program, [...args, "--site", "Harbour", ...maps, own]);
  assert.equal(status, 0, stderr);
  const { items } = await findings(program, "own-host");
  assert.deepEqual(
    new Set(items.map(({ title, severity, lastSeen }) => [title, severity, lastSeen].join())),
    new Set(["Old kernel,Critical,2024-03-18T00:00:00.000Z", "Open port,Low,2024-03-18T00:00:00.000Z"]),
  );
  const elsewhere = await importFiles(program, [...args, "--site", "Airport", "--severity-map", '{"grave": "Critical", "meh": "Low"}', own]);
  assert.match(elsewhere.stdout, / 2 new, 0 updated, .* 0 resolved/);
});

test("I116 an older scan fails, and is taken with --allow-older", async (t) => {
  const program = await startProgram(t);
  const csv = (id) => file("week.csv", nessusCsv([{ host: "older-host", id }]));
  const dated = (date) => ["--wait", "--scan-date", date];
  assert.equal((await importFiles(program, [...dated("2024-03-18"), csv(1)])).status, 0);
  const refused = await importFiles(program, [...dated("2024-03-01"), csv(2)]);
  assert.equal(refused.status, 3);
  assert.match(refused.stderr, /^week\.csv: OLDER_SCAN: /m);
  const allowed = await importFiles(program, [...dated("2024-03-01"), "--allow-older", csv(2)]);
  assert.match(allowed.stdout, / 1 new, .* 0 resolved/);
});

test("I123 a server with TLS is spoken to if the system trusts its certificate", async (t) => {
  const tls = certificate();
  if (!tls) return t.skip("no program `openssl` on this machine, which makes certificates");
  const seen = [];
  const answer = (request, response, body) => {
    if (request.method === "POST") {
      seen.push([request.headers["content-length"], String(Buffer.byteLength(body)), body.includes("a,b\n")]);
      return json(response, 202, { importId: 1, sessionId: "x", vendor: "nessus" });
    }
    json(response, 200, { session: { status: "completed", import_id: 1, metadata: {}, summary: {} } });
  };
  const origin = await standIn(t, answer, tls);
  const csv = file("week.csv", "a,b\n");
  const trusted = await importFiles(origin, ["--wait", csv], { env: { SSL_CERT_FILE: tls.authority } });
  assert.equal(trusted.status, 0, trusted.stderr);
  const [[declared, sent, isWhole]] = seen;
  assert.deepEqual([declared, isWhole], [sent, true]);
  const stranger = await importFiles(origin, ["--wait", csv], { env: { SSL_CERT_FILE: certificate().authority } });
  assert.equal(stranger.status, 6);
  assert.match(stranger.stderr, /cannot be reached: .*certificate/);
  assert.equal(seen.length, 1);
});

test("I123 a redirection is not followed", async (t) => {
  const origin = await standIn(t, (request, response) => response.writeHead(307, { Location: "/elsewhere" }).end());
  const { status, stderr } = await importFiles(origin, [file("week.csv", "a,b\n")]);
  assert.equal(status, 1);
  assert.match(stderr, /^week\.csv: the server answered with status 307\n$/);
});

test("I126 an answer of something else than the server is no import", async (t) => {
  for (const body of ["<html>Log in first</html>", "[".repeat(100_000), "{}", '{"sessionId": 7}']) {
    const origin = await standIn(t, (request, response) => response.writeHead(202).end(body));
    const { status, stdout, stderr } = await importFiles(origin, [file("week.csv", "a,b\n")]);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /^week\.csv: the server answered with status 202, and names no session\n$/);
  }
});

test("I131 a server that is busy for a moment is asked about the import again", async (t) => {
  const busy = [429, 502, 503, 504];
  const answer = (request, response) => {
    if (request.method === "POST") return json(response, 202, { importId: 1, sessionId: "x", vendor: "nessus" });
    const status = busy.pop();
    if (status) return response.writeHead(status).end("busy");
    json(response, 200, { session: { status: "completed", import_id: 1, metadata: {}, summary: {} } });
  };
  const { status, stderr } = await importFiles(await standIn(t, answer), ["--wait", file("week.csv", "a,b\n")]);
  assert.deepEqual([status, busy], [0, []], stderr);
});

test("I123 proxies are not asked", async (t) => {
  const seen = [];
  const origin = await standIn(t, (request, response) => {
    seen.push(`${request.method} ${request.headers.host}`);
    json(response, 202, { importId: 1, sessionId: "x", vendor: "nessus" });
  });
  const nowhere = "http://127.0.0.1:1";
  const env = { HTTP_PROXY: nowhere, http_proxy: nowhere, ALL_PROXY: nowhere, all_proxy: nowhere, NO_PROXY: "", no_proxy: "" };
  const { status, stderr } = await importFiles(origin, [file("week.csv", "a,b\n")], { env });
  assert.equal(status, 0, stderr);
  assert.ok(seen.includes(`POST ${new URL(origin).host}`), seen.join());
});

test("I134 a command that is ended while it waits does not end the import", async (t) => {
  const program = await startProgram(t);
  const socket = await watcher(t, program);
  const { stdout: csv } = await runProgram(["generate", "--bytes", "2000000", "--seed", "5"]);
  const running = spawn(programFile(), ["import", "--wait", "--server", program.origin, file("large.csv", csv)], { stdio: "ignore" });
  // Where the server has the whole file the command waits.
  const steps = () => socket.log.filter(([name]) => name === "import_progress").map(([, { current_step }]) => current_step);
  await until(() => steps().some((step) => step !== steps()[0]), "the merge");
  running.kill("SIGINT");
  const [, created] = socket.log.find(([name]) => name === "session_created");
  const [event] = await socket.ended(created.sessionId);
  assert.equal(event, "import_complete");
});

test("I134 a command that is ended while it sends ends the import", async (t) => {
  const program = await startProgram(t);
  const socket = await watcher(t, program);
  const { stdout: csv } = await runProgram(["generate", "--bytes", "20000000", "--seed", "5"]);
  const running = spawn(programFile(), ["import", "--server", program.origin, file("large.csv", csv)], { stdio: "ignore" });
  const created = await until(() => socket.log.find(([name]) => name === "session_created"), "the session");
  running.kill("SIGINT");
  const [event] = await socket.ended(created[1].sessionId);
  assert.notEqual(event, "import_complete");
  assert.equal((await program.call("GET", "/api/vulnerabilities")).body.total, 0);
});

test("I122 I132 more rejected rows than allowed end with status 7, and are stored all the same", async (t) => {
  const program = await startProgram(t);
  const csv = file("week.csv", nessusCsv([...manyRows("limit-host", 2), { risk: "Zz" }, { host: "" }]));
  assert.equal((await importFiles(program, ["--max-rejected", "2", csv])).status, 0);
  assert.equal((await importFiles(program, ["--max-rejected", "1", csv])).status, 7);
  assert.equal((await findings(program, "limit-host")).total, 2);
});

test("I128 a failed import ends with status 3, its code and what to do", async (t) => {
  const program = await startProgram(t);
  const { status, stdout, stderr } = await importFiles(program, ["--wait", file("empty.csv", NESSUS_HEADER)]);
  assert.deepEqual([status, stdout], [3, ""]);
  assert.match(stderr, /^empty\.csv: CSV_EMPTY: .+\n( {2}- .+\n)+$/m);
});

test("I128 a failed import tells which rows were rejected", async (t) => {
  const program = await startProgram(t);
  const { status, stderr } = await importFiles(program, ["--wait", file("bad.csv", nessusCsv([{ risk: "Xyzzy" }]))]);
  assert.equal(status, 3);
  assert.match(stderr, /^bad\.csv: NO_VALID_ROWS: .+\n {4}line 2: unknown_severity, severity is "Xyzzy"\n( {2}- .+\n)+$/m);
});

test("I129 a cancelled import ends with status 4", async (t) => {
  const program = await startProgram(t);
  const socket = await watcher(t, program);
  socket.on("session_created", ({ sessionId }) => command(socket, "cancel_session", { sessionId }));
  const { stdout: csv } = await runProgram(["generate", "--bytes", "20000000", "--seed", "5"]);
  const { status, stderr } = await importFiles(program, ["--wait", file("large.csv", csv)]);
  assert.equal(status, 4, stderr);
  assert.match(stderr, /large\.csv: the import was cancelled\n$/);
});

test("I130 a session that the server has forgotten ends with status 5", async (t) => {
  const origin = await standIn(t, (request, response) => {
    if (request.method === "POST") return json(response, 202, { importId: 1, sessionId: "x", vendor: "nessus" });
    json(response, 404, { error: { code: "SESSION_NOT_FOUND", message: "there is no such session" } });
  });
  assert.equal((await importFiles(origin, ["--wait", file("week.csv", "a,b\n")])).status, 5);
});

test("I131 a server that cannot be reached ends with status 6, and no further file is tried", async () => {
  const csv = file("week.csv", "a,b\n");
  const { status, stderr } = await importFiles("http://127.0.0.1:1", [csv, csv]);
  assert.equal(status, 6);
  assert.match(stderr, /^week\.csv: the server http:\/\/127\.0\.0\.1:1 cannot be reached: .+\n$/);
});

test("I126 an upload that the server refuses ends with status 1 and the server's words", async (t) => {
  const program = await startProgram(t, { flags: ["--max-upload-bytes", "5000"] });
  const { status, stderr } = await importFiles(program, [file("large.csv", nessusCsv(manyRows("refused-host", 500)))]);
  assert.equal(status, 1);
  assert.match(stderr, /^large\.csv: the server refused it: PAYLOAD_TOO_LARGE: .+\n$/);
});

test("I126 a file that cannot be read ends with status 1", async (t) => {
  const program = await startProgram(t);
  for (const wrong of [path.join(temporaryFolder(), "missing.csv"), temporaryFolder()]) {
    const { status, stderr } = await importFiles(program, [wrong]);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /: the file cannot be read: .+\n$/);
  }
});

test("I111 I133 of several files each is imported, and the first status that is not 0 counts", async (t) => {
  const program = await startProgram(t);
  const good = file("good.csv", nessusCsv(manyRows("several-host", 1)));
  const { status, stdout, stderr } = await importFiles(program, ["--wait", "--max-rejected", "0", file("empty.csv", ""), good, file("bad.csv", nessusCsv([{ host: "several-host" }, { risk: "Zz" }]))]);
  assert.equal(status, 3);
  assert.match(stderr, /empty\.csv: CSV_EMPTY/);
  assert.deepEqual(stdout.match(/^\w+\.csv: import \d+/gm), ["good.csv: import 2", "bad.csv: import 3"]);
});

test("I123 I124 the token of the environment goes with every request", async (t) => {
  const seen = new Set();
  const origin = await standIn(t, (request, response) => {
    seen.add(request.headers.authorization);
    if (request.method === "POST") return json(response, 202, { importId: 1, sessionId: "x", vendor: "nessus" });
    json(response, 200, { session: { status: "completed", import_id: 1, metadata: {}, summary: {} } });
  });
  const env = { PULSEWHEEL_TOKEN: "s3cret", PULSEWHEEL_SERVER: origin };
  const { status } = await runProgram(["import", "--wait", file("week.csv", "a,b\n")], { env });
  assert.equal(status, 0);
  assert.deepEqual([...seen], ["Bearer s3cret"]);
});

test("I127 a command line that makes no sense ends with status 2", async () => {
  for (const [args, named] of [
    [[], "FILE"],
    [["--resolve", "some", "a.csv"], "--resolve"],
    [["--server", "ftp://a", "a.csv"], "ftp://a"],
    [["--server", "nowhere", "a.csv"], "nowhere"],
    [["--max-rejected", "x", "a.csv"], "--max-rejected"],
    [["--scan-date", "soon", "a.csv"], "scanDate must be a date"],
    [["--scan-date", "2199-01-01", "a.csv"], "not in the future"],
    [["--mapping", '{"colour": "x"}', "a.csv"], "mapping"],
    [["--severity-map", '{"a": "Apocalyptic"}', "a.csv"], "severityMap must be a JSON object"],
  ]) {
    const { status, stderr } = await runProgram(["import", ...args]);
    assert.equal(status, 2, `${args}: ${stderr}`);
    assert.ok(stderr.includes(named), stderr);
  }
});

test("I123 --help tells every option and every exit status", async () => {
  const { status, stdout } = await runProgram(["import", "--help"]);
  assert.equal(status, 0);
  for (const option of ["vendor", "resolve", "scan-date", "allow-older", "mapping", "severity-map", "site", "dry-run", "wait", "max-rejected", "server"])
    assert.match(stdout.toString(), new RegExp(`--${option}\\b`));
  assert.ok(stdout.toString().includes("[default: http://127.0.0.1:8988]"), stdout.toString());
  for (const number of [0, 1, 2, 3, 4, 5, 6, 7]) assert.match(stdout.toString(), new RegExp(`\\b${number} `));
});
