// A program with a token file, and the people of it.
import fs from "node:fs";
import path from "node:path";
import { within } from "../interop/support/wait.mjs";
import { client } from "../interop/support/clients.mjs";
import { command, startProgram, temporaryFolder } from "./support.mjs";

export const TOKENS = {
  viewer: "viewer-of-the-wall-screen",
  producer: "producer-number-one",
  colleague: "producer-of-the-same-name",
  other: "producer-number-two",
  admin: "admin-of-everything",
};

export const TOKEN_FILE = `# who may come in
viewer ${TOKENS.viewer}
producer ${TOKENS.producer} Ann
producer ${TOKENS.colleague} Ann

producer ${TOKENS.other}
admin ${TOKENS.admin} root
`;

export const bearer = (token) => ({ Authorization: `Bearer ${token}` });

export function writeTokens(text = TOKEN_FILE) {
  const file = path.join(temporaryFolder(), "tokens");
  fs.writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** A program that wants tokens; `as` sends a request with one. */
export async function startWithTokens(t, { flags = [], text, dataDir } = {}) {
  const file = writeTokens(text);
  const program = await startProgram(t, { dataDir, flags: ["--token-file", file, ...flags] });
  program.file = file;
  program.as = (token, method, target, body, headers = {}) =>
    program.call(method, target, body, { ...(token && bearer(token)), ...headers });
  return program;
}

/** A client of Socket.IO that shows a token; rejects with the error of a refusal. */
export async function enter(t, program, token, options = {}) {
  const socket = client(t, program, { transports: ["websocket"], reconnection: false, ...(token && { auth: { token } }), ...options });
  await within(new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject)), "connection");
  return socket;
}

/** The sessions that a client finds in its list. */
export const listed = async (socket) => (await command(socket, "list_sessions")).sessions.map(({ id }) => id);
