// The TypeScript of the documents holds against the types of the client, block by block.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const run = promisify(execFile);
const web = fileURLToPath(new URL("../", import.meta.url));

/** What stands in a page around the snippets. */
const SURROUNDINGS = `
  import type { SessionView, WebSocketClient as Client } from "pulsewheel-client";
  declare global {
    const WebSocketClient: typeof Client;
    const client: Client;
    const id: string;
    const sessionId: string;
    const bar: HTMLProgressElement;
    const files: string[];
    function copy(file: string): Promise<void>;
    function show(text: string): void;
    function showNotice(text: string): void;
    function render(sessions: readonly SessionView[]): void;
    function useSyncExternalStore<T>(subscribe: (changed: () => void) => () => void, getSnapshot: () => T): T;
  }
`;

let folder: string;
const blocks = [...readFileSync(join(web, "../docs/client.md"), "utf8").matchAll(/^```ts\n([^]*?)^```/gm)].map(([, text]) => text!);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pulsewheel-snippets-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the compiler says of these modules. */
async function complaints(modules: string[]): Promise<string> {
  const files = ["surroundings.ts", ...modules.map((_, index) => `block${index}.ts`)];
  const options = { module: "esnext", moduleResolution: "bundler", target: "es2022", lib: ["es2023", "dom", "dom.iterable"], types: [], strict: true, noEmit: true };
  const paths = { "pulsewheel-client": [join(web, "client/src/index.ts")], "socket.io-client": [join(web, "node_modules/socket.io-client")] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...options, paths }, files }));
  writeFileSync(join(folder, files[0]!), SURROUNDINGS);
  // Each is a module of its own, so that names of one do not meet those of another.
  modules.forEach((text, index) => writeFileSync(join(folder, `block${index}.ts`), `${text}\nexport {};\n`));
  const checked = run("node", [join(web, "node_modules/typescript/bin/tsc"), "--project", folder], { cwd: folder });
  return checked.then(({ stdout }) => stdout, ({ stdout }: { stdout: string }) => stdout);
}

test("every block of docs/client.md compiles", { timeout: 60_000 }, async () => {
  expect(blocks.length).toBeGreaterThanOrEqual(9);
  expect(await complaints(blocks)).toBe("");
});

test("a name that the client does not have would be found", { timeout: 60_000 }, async () => {
  expect(await complaints(["client.subscribe('import_progress', (event) => event.percent);"])).toContain("percent");
});
