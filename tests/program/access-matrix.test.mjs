// Who may do what with sessions of each audience: every cell of the tables in docs/security.md, tried over HTTP and Socket.IO.
// UPDATE=1 writes the tables anew.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { command, nessusCsv, sleep, until } from "./support.mjs";
import { TOKENS, TOKEN_FILE, bearer, enter, listed, startWithTokens } from "./tokens.mjs";

const DOCUMENT = fileURLToPath(new URL("../../docs/security.md", import.meta.url));
const FOREIGN = { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" };
const REMOVED = "a-token-that-was-taken-out";
const AUDIENCES = ["everybody", "trackers", "owner"];

/** Everybody who asks: what goes along with a request, given the session that it is about. */
const WHO = {
  admin: () => bearer(TOKENS.admin),
  "producer, owner": () => bearer(TOKENS.producer),
  "producer of the same name": () => bearer(TOKENS.colleague),
  "another producer": () => bearer(TOKENS.other),
  viewer: () => bearer(TOKENS.viewer),
  "login of a viewer": ({ cookie }) => ({ Cookie: cookie }),
  ownerToken: ({ ownerToken }) => bearer(ownerToken),
  "viewer with ownerToken": ({ ownerToken }) => ({ ...bearer(TOKENS.viewer), "X-Session-Token": ownerToken }),
  share: ({ share }) => bearer(share),
  "ownerToken of another session": ({ foreign }) => bearer(foreign),
  "share that has expired": ({ expired }) => bearer(expired),
  "share that was taken back": ({ revoked }) => bearer(revoked),
  "token that was taken out": () => bearer(REMOVED),
  "token that was guessed": ({ ownerToken }) => bearer(`${ownerToken.slice(0, -1)}${ownerToken.endsWith("A") ? "B" : "A"}`),
  "nothing": () => ({}),
  "admin, on a foreign page": () => ({ ...bearer(TOKENS.admin), ...FOREIGN }),
};

/** What is done with a session over HTTP: method, what follows its path, body. */
const REQUESTS = {
  "`GET /api/sessions/{id}`": ["GET", ""],
  "`GET /api/history/{id}`": ["GET", "/api/history/{id}"],
  "`POST …/progress`": ["POST", "/progress", { progress: 0.5 }],
  "`POST …/complete`": ["POST", "/complete", {}],
  "`POST …/error`": ["POST", "/error", { error: "it broke" }],
  "`POST …/cancel`": ["POST", "/cancel", {}],
  "`POST …/share`": ["POST", "/share", {}],
  "`DELETE …/share/{shareId}`": ["DELETE", "/share/{share}"],
  "`DELETE /api/sessions/{id}`": ["DELETE", ""],
};

/** What concerns no session of somebody. */
const OTHERS = {
  "`POST /api/sessions`": ["POST", "/api/sessions", {}],
  "`POST /api/vulnerabilities/import`": ["POST", "/api/vulnerabilities/import"],
  "`GET /api/imports`": ["GET", "/api/imports"],
  "`GET /api/alerts`": ["GET", "/api/alerts"],
  "`GET /api/stats`": ["GET", "/api/stats"],
  "`DELETE /api/imports/{id}`": ["DELETE", "/api/imports/999"],
  "`GET /api/vulnerabilities`, `.csv`, `.json`, `/stats`": ["GET", "/api/vulnerabilities"],
  "`POST /api/events/data_updated`": ["POST", "/api/events/data_updated", { type: "scans", action: "updated" }],
  "`POST /api/events/system_alert`": ["POST", "/api/events/system_alert", { level: "info", category: "system", message: "Tea" }],
  "`GET /api/whoami`": ["GET", "/api/whoami"],
  "`GET /healthz`": ["GET", "/healthz"],
};

/** An answer in a cell: the status of a refusal, or that it was done. */
function cell({ status, body }, notThere = []) {
  if (status < 300 || notThere.includes(body?.error?.code)) return "yes";
  assert.ok([401, 403, 404].includes(status), `${status} ${JSON.stringify(body)}`);
  return String(status);
}

const STATUS = { AUTH_REQUIRED: "401", FORBIDDEN: "403", SESSION_NOT_FOUND: "404" };
const answerCell = (answer) => (answer.ok ? "yes" : (STATUS[answer.error.code] ?? assert.fail(answer.error.code)));

async function send(program, method, target, body, headers) {
  if (target !== "/api/vulnerabilities/import") return program.call(method, target, body, headers);
  const form = new FormData();
  form.append("csvFile", new Blob([nessusCsv([{}])]), "scan.csv");
  const answer = await fetch(`${program.origin}${target}?dryRun=true`, { method, body: form, headers });
  return { status: answer.status, body: await answer.json() };
}

/** A session of the first producer, with the tokens that are wanted of it. */
async function makeSession(program, audience, shared, wanted = ["share", "revoked", "expired"]) {
  const as = (...args) => program.as(TOKENS.producer, ...args);
  // A caller may create 100 a second.
  const make = () => as("POST", "/api/sessions", { audience });
  let answer = await make();
  for (; answer.status === 429; answer = await make()) await sleep(10);
  const { sessionId, ownerToken } = answer.body;
  const target = `/api/sessions/${sessionId}`;
  const made = { ...shared, sessionId, target, ownerToken };
  for (const name of wanted) {
    const { token, shareId } = (await as("POST", `${target}/share`, name === "expired" ? { expiresIn: 1 } : {})).body;
    Object.assign(made, { [name]: token, shareId });
    if (name === "revoked") await as("DELETE", `${target}/share/${shareId}`);
  }
  return made;
}

/** The tokens of a session that somebody needs, or a request. */
function wantedBy(who, rest = "") {
  const names = { share: ["share"], "share that has expired": ["expired"], "share that was taken back": ["revoked"] }[who] ?? [];
  return rest.includes("{share}") ? [...names, "share"] : names;
}

const hasExpired = (program, { expired, target }) =>
  until(async () => (await program.as(expired, "GET", target)).status === 401, "the share to expire");

/** The credentials of a request as a client of Socket.IO shows them. */
function socketOptions(headers) {
  const { Authorization, "Sec-Fetch-Site": _, "X-Session-Token": sessionToken, ...extraHeaders } = headers;
  const token = Authorization?.slice("Bearer ".length);
  return { token, sessionToken, options: { extraHeaders } };
}

async function enterAs(t, program, headers) {
  const { token, sessionToken, options } = socketOptions(headers);
  try {
    return { socket: await enter(t, program, token, options), sessionToken };
  } catch (error) {
    // A handshake that is refused has no words for it.
    return { refusal: error.data?.code === "AUTH_REQUIRED" ? "401" : "403" };
  }
}

const table = (title, rows) => {
  const who = Object.keys(WHO);
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line([title, ...who]), line(["---", ...who.map(() => "---")]), ...Object.entries(rows).map(([name, cells]) => line([name, ...who.map((one) => cells[one])]))].join("\n");
};

test("the tables of docs/security.md are what the program does", async (t) => {
  const program = await startWithTokens(t, { text: `${TOKEN_FILE}viewer ${REMOVED}\n`, flags: ["--log", "error"] });
  const login = await program.call("POST", "/api/login", { token: TOKENS.viewer });
  const another = (await program.as(TOKENS.other, "POST", "/api/sessions", { audience: "owner" })).body;
  const shared = { cookie: login.headers.get("set-cookie").split(";")[0], foreign: another.ownerToken };
  fs.writeFileSync(program.file, TOKEN_FILE);
  process.kill(program.pid, "SIGHUP");
  await until(async () => (await program.as(REMOVED, "GET", "/api/whoami")).status === 401, "the file to be read again");

  const parts = [];
  for (const audience of AUDIENCES) {
    const rows = {};
    const note = (name, who, word) => ((rows[name] ??= {})[who] = word);
    // Sessions that are changed or ended are one for each cell.
    const cells = [];
    for (const [name, [method, rest, body]] of Object.entries(REQUESTS)) {
      const made = Object.keys(WHO).map(async (who) => {
        const session = await makeSession(program, audience, shared, wantedBy(who, rest));
        return { name, who, method, rest, body, session };
      });
      cells.push(...(await Promise.all(made)));
    }
    const cancelled = {};
    for (const who of Object.keys(WHO)) cancelled[who] = await makeSession(program, audience, shared, wantedBy(who));
    const heard = await makeSession(program, audience, shared);
    await hasExpired(program, heard);
    for (const { name, who, method, rest, body, session } of cells) {
      const own = rest.startsWith("/api/") ? rest.replace("{id}", session.sessionId) : session.target + rest;
      const target = own.replace("{share}", session.shareId);
      const headers = WHO[who](session);
      // Sessions that run can't be forgotten, whoever may do that.
      const answer = await program.call(method, target, body, headers);
      note(name, who, cell(answer, ["SESSION_ACTIVE"]));
    }
    const sockets = {};
    for (const who of Object.keys(WHO)) {
      const headers = WHO[who](heard);
      const list = await program.call("GET", "/api/sessions?limit=1000", undefined, headers);
      const finds = (ids) => (ids.includes(heard.sessionId) ? "yes" : "no");
      note("found in `GET /api/sessions`", who, list.status === 200 ? finds(list.body.sessions.map(({ id }) => id)) : cell(list));
      const { socket, sessionToken, refusal } = await enterAs(t, program, headers);
      sockets[who] = { socket, refusal };
      note("found in `list_sessions`", who, refusal ?? finds(await listed(socket)));
      const token = sessionToken && { token: sessionToken };
      sockets[who].argument = { sessionId: heard.sessionId, ...token };
    }
    await program.as(TOKENS.producer, "POST", `${heard.target}/progress`, { progress: 0.5 });
    const hears = (socket) => socket.log.some(([name, event]) => name === "import_progress" && event.sessionId === heard.sessionId);
    await until(() => hears(sockets["producer, owner"].socket), "import_progress");
    for (const [who, { socket, refusal }] of Object.entries(sockets)) {
      // Whatever was emitted before an answer has arrived by then.
      if (socket) await listed(socket);
      note("hears its events unasked", who, refusal ?? (hears(socket) ? "yes" : "no"));
    }
    for (const [who, { socket, refusal, argument }] of Object.entries(sockets)) {
      note("`track_session`", who, refusal ?? answerCell(await command(socket, "track_session", argument)));
      const session = cancelled[who];
      const own = await enterAs(t, program, WHO[who](session));
      const token = own.sessionToken && { token: own.sessionToken };
      const given = { sessionId: session.sessionId, ...token };
      note("`cancel_session`", who, own.refusal ?? answerCell(await command(own.socket, "cancel_session", given)));
      own.socket?.disconnect();
    }
    for (const { socket } of Object.values(sockets)) socket?.disconnect();
    await program.as(TOKENS.producer, "POST", `${heard.target}/complete`, {});
    for (const who of Object.keys(WHO)) {
      const ended = await program.call("GET", "/api/history?limit=1000", undefined, WHO[who](heard));
      const finds = (sessions) => (sessions.some(({ id }) => id === heard.sessionId) ? "yes" : "no");
      note("found in `GET /api/history`", who, ended.status === 200 ? finds(ended.body.sessions) : cell(ended));
    }
    parts.push(table(`audience \`${audience}\``, rows));
  }

  const rows = {};
  const session = await makeSession(program, "owner", shared);
  await hasExpired(program, session);
  for (const [name, [method, target, body]] of Object.entries(OTHERS)) {
    const cells = (rows[name] = {});
    for (const who of Object.keys(WHO)) {
      cells[who] = cell(await send(program, method, target, body, WHO[who](session)), ["NOT_FOUND"]);
    }
  }
  parts.push(table("whatever the audience", rows));

  const found = `<!-- matrix -->\n\n${parts.join("\n\n")}\n\n<!-- end of the matrix -->`;
  const text = fs.readFileSync(DOCUMENT, "utf8");
  const known = /<!-- matrix -->[^]*<!-- end of the matrix -->/.exec(text)[0];
  if (process.env.UPDATE) fs.writeFileSync(DOCUMENT, text.replace(known, () => found));
  else assert.equal(found, known, "UPDATE=1 writes the tables anew");
});
