// Every snippet of the documents, as a stranger pastes it: shell from top to bottom, twice; JavaScript and Python against the program.
// Rust is compiled by tests/snippets.rs, TypeScript by web/test/snippets.test.ts.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { assertShape, blocksOf, documentNames, jsonValues, LEFT_OUT, ROOT } from "./documents.mjs";
import { programFile, startProgram, temporaryFolder, until, within } from "./support.mjs";

const LANGUAGES = ["sh", "json", "js", "ts", "rust", "python", "html", "toml", "ini", "nginx", "text"];
const PYTHON = path.join(ROOT, ".venv/bin/python");

const documents = documentNames().map((name) => ({ name, blocks: blocksOf(name) }));
const having = (language) =>
  documents
    .map(({ name, blocks }) => ({ name, blocks: blocks.filter((block) => block.language === language) }))
    .filter(({ blocks }) => blocks.length > 0);

/** What a snippet of the shell means here. A server that it starts has to listen and to end well; what takes long is looked at alone. */
const SHELL = String.raw`
set -eEuo pipefail
curl() {
  for word in "$@"; do case $word in -f*) command curl --max-time 20 "$@"; return;; esac; done
  command curl --silent --show-error --fail-with-body --max-time 20 "$@"
}
pulsewheel() {
  if [ "$1" != serve ]; then "$PULSEWHEEL_BIN" "$@"; return; fi
  : >served
  "$PULSEWHEEL_BIN" "$@" --listen 127.0.0.1:0 --data-dir "$(mktemp -d -p .)" >served &
  until grep -q '^listening on' served; do
    kill -0 $! || { wait $!; return; }
    command sleep 0.05
  done
  kill $! && wait $!
}
systemctl() {
  if [ "$1" = stop ] && kill "$PROGRAM_PID"; then
    while kill -0 "$PROGRAM_PID"; do command sleep 0.05; done 2>/dev/null
  fi 2>/dev/null
}
make() { command make -C "$ROOT" --dry-run "$@" >/dev/null; }
cargo() {
  [ "$1" = build ] && shift
  while [ $# -gt 0 ]; do
    case $1 in
      --profile) grep -q "^\[profile.$2\]" "$ROOT/Cargo.toml"; shift 2;;
      --example) test -f "$ROOT/examples/$2.rs"; shift 2;;
      --no-default-features) shift;;
      *) echo "cargo has not learned $1 here" >&2; return 1;;
    esac
  done
}
sleep() { command sleep 0.02; }
`;

const isRefusal = ({ next }) => next?.language === "json" && "error" in jsonValues(next.text)[0];

/** All blocks in one shell, the output of each in a file of its number. */
function script(blocks) {
  const parts = blocks.map((block, index) => {
    const body = `echo ${block.line} >at\n{\n${block.text}\n} >out-${index}`;
    if (!isRefusal(block)) return body;
    return `if ${body}; then echo "this was to be refused" >&2; exit 1; elif [ $? != 22 ]; then exit 1; fi`;
  });
  return SHELL + parts.join("\n");
}

/** Runs a program to its end; gives what it wrote to standard error where it fails. */
async function run(file, args, options) {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const status = await within(new Promise((resolve) => child.once("close", resolve)), `the end of ${file}`, 60_000).finally(() => child.kill("SIGKILL"));
  return { status, stdout, stderr };
}

/** The addresses and folders of the documents, as they are in this test. */
function here(text, program, folder) {
  return text
    .replaceAll("http://127.0.0.1:8988", program.origin)
    .replaceAll(/(?<=[\s"'=:])\/(var|run)\//g, `${folder}/$1/`);
}

/** A folder like a fresh clone, and a program with its data in there. */
async function stranger(t) {
  const folder = temporaryFolder();
  fs.symlinkSync(path.join(ROOT, "examples"), path.join(folder, "examples"));
  for (const made of ["var/backups", "var/lib", "run"]) fs.mkdirSync(path.join(folder, made), { recursive: true });
  const dataDir = path.join(folder, "var/lib/pulsewheel");
  const program = await startProgram(t, { dataDir, flags: ["--listen", `unix:${folder}/run/pulsewheel.sock`] });
  return { folder, program };
}

/** Programs of Node find the client libraries here. */
function nodeFolder() {
  const folder = temporaryFolder();
  fs.mkdirSync(path.join(folder, "node_modules"));
  const link = (name, target) => fs.symlinkSync(path.join(ROOT, target), path.join(folder, "node_modules", name));
  link("socket.io-client", "tests/interop/node_modules/socket.io-client");
  link("pulsewheel-client", "web/client");
  return folder;
}

async function createSession(program, metadata = {}) {
  const { status, body } = await program.call("POST", "/api/sessions", { metadata });
  assert.equal(status, 201);
  return body.sessionId;
}

/** Runs a program that watches until it has told of a job at half its way. */
async function watches(t, program, file, args, options) {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const gone = new Promise((resolve) => child.once("close", resolve));
  t.after(async () => {
    child.kill("SIGKILL");
    await gone;
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const sessionId = await createSession(program, { operation: "nightly_backup" });
  await until(async () => {
    assert.equal(child.exitCode, null, stderr);
    await program.call("POST", `/api/sessions/${sessionId}/progress`, { progress: 0.5, metadata: { current_step: "disk 2" } });
    return /0\.5|50\.0/.test(stdout);
  }, "the job at half its way");
  assert.equal(stderr, "");
}

describe("snippets of the documents", { concurrency: 4 }, () => {
  for (const { name, blocks } of documents) {
    test(`${name}: every block says what it is written in, and JSON can be read`, () => {
      for (const { language, text, line } of blocks) {
        assert.ok(LANGUAGES.includes(language), `${name}:${line}: ${language || "no language"}`);
        if (language === "json") assert.doesNotThrow(() => jsonValues(text), `${name}:${line}`);
      }
    });
  }

  for (const { name, blocks } of having("sh")) {
    test(`${name}: the shell takes it from top to bottom, and a second time`, async (t) => {
      const { folder, program } = await stranger(t);
      const text = here(script(blocks), program, folder);
      const env = { ...process.env, PULSEWHEEL_BIN: programFile(), PULSEWHEEL_SERVER: program.origin, PROGRAM_PID: program.pid, ROOT };
      for (const round of ["first", "second"]) {
        const { status, stderr } = await run("bash", ["-c", text], { cwd: folder, env });
        assert.equal(status, 0, `${name}:${fs.readFileSync(path.join(folder, "at"), "utf8").trim()}, ${round} round: ${stderr}`);
        if (round === "second") continue;
        blocks.forEach(({ next }, index) => {
          const output = fs.readFileSync(path.join(folder, `out-${index}`), "utf8");
          if (next?.language === "json") {
            const shown = jsonValues(next.text);
            const real = jsonValues(output).slice(-shown.length);
            shown.forEach((value, nth) => assertShape(real[nth], value, `${name}:${next.line}, answer ${nth + 1}`));
          } else if (next?.language === "text") {
            const shape = (lines) => lines.trim().replaceAll(/\d+/g, "N");
            assert.equal(shape(output), shape(next.text), `${name}:${next.line}`);
          }
        });
      }
    });
  }

  for (const { name, blocks } of having("js")) {
    for (const block of blocks) {
      const isProgram = block.text.startsWith("import ");
      const asks = /\bsocket\./.test(block.text);
      test(`${name}:${block.line}: JavaScript ${isProgram || asks ? "runs" : "can be read"}`, async (t) => {
        const { folder, program } = await stranger(t);
        const cwd = nodeFolder();
        const file = path.join(cwd, "snippet.mjs");
        // The package's example gives name and port apart.
        const text = here(block.text, program, folder).replace('port: "8988"', `port: "${program.port}"`);
        if (isProgram) {
          fs.writeFileSync(file, text);
          return watches(t, program, "node", [file, ...(text.includes("process.argv") ? [program.origin] : [])], { cwd });
        }
        if (!asks) {
          fs.writeFileSync(file, text);
          const { status, stderr } = await run("node", ["--check", file], { cwd });
          return assert.equal(status, 0, stderr);
        }
        const sessionId = await createSession(program);
        fs.writeFileSync(
          file,
          `import { io } from "socket.io-client";
          const socket = io("${program.origin}");
          await new Promise((resolve) => socket.on("connect", resolve));
          const sessionId = "${sessionId}";
          ${text}
          console.log(JSON.stringify(typeof answer === "object" ? answer : { ok: sessions.length === 1 }));
          socket.disconnect();`,
        );
        const { status, stdout, stderr } = await run("node", [file], { cwd });
        assert.equal(status, 0, stderr);
        const answer = JSON.parse(stdout);
        assert.equal(answer.ok, true, stdout);
        if (block.next?.language === "json") assertShape(answer, jsonValues(block.next.text)[0], `${name}:${block.next.line}`);
      });
    }
  }

  for (const { name, blocks } of having("python")) {
    test(`${name}: Python runs`, async (t) => {
      if (!fs.existsSync(PYTHON)) return t.skip("SKIP: no .venv; make .venv/ready sets it up");
      const { program } = await stranger(t);
      for (const { text } of blocks) await watches(t, program, PYTHON, ["-c", text, program.origin], {});
    });
  }

  for (const { name, blocks } of having("html")) {
    test(`${name}: what pages load is served`, async (t) => {
      const { program } = await stranger(t);
      for (const { text, line } of blocks) {
        const sources = [...text.matchAll(/src="http:\/\/127\.0\.0\.1:8988(\/[^"]+)"/g)];
        assert.notEqual(sources.length, 0, `${name}:${line} loads nothing`);
        for (const [, source] of sources) assert.equal((await fetch(program.origin + source)).status, 200, source);
      }
    });
  }
});

test("what documents leave out of JSON is known as such", () => {
  assert.deepEqual(jsonValues('{"a": 1, … "b": [2, …], … }{ … }'), [{ a: 1, [LEFT_OUT]: true, b: [2] }, { [LEFT_OUT]: true }]);
  assertShape({ a: 1, c: 2, b: [3] }, { a: 9, b: [8, 7], [LEFT_OUT]: true }, "answer");
  for (const [real, shown] of [
    [{ a: 1 }, { a: "1" }],
    [{ a: 1, b: 2 }, { a: 1 }],
    [{}, { a: 1 }],
    [{ a: [] }, { a: [1] }],
    [{ code: "A" }, { code: "B" }],
  ]) {
    assert.throws(() => assertShape(real, shown, "answer"));
  }
  assert.throws(() => jsonValues('{"a": 1 "b": 2}'));
});
