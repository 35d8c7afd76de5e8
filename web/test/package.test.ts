// The npm package as others get it: packed, installed, and used in projects of four kinds.

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { Window } from "happy-dom";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { progress } from "./samples";
import { TestServer } from "./server";

const run = promisify(execFile);
const web = fileURLToPath(new URL("../", import.meta.url));
const MAX_GZIP_BYTES = 20_000;
/** A file for pages holds the element and the store too. */
const MAX_PAGE_FILE_GZIP_BYTES = 24_000;
const MAX_PACKED_BYTES = 100_000;

describe("the package", { timeout: 120_000 }, () => {
  let folder: string;
  let files: string[];
  let packedBytes: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "pulsewheel-package-"));
    // As it is published: the tests' own environment would give the builds for development.
    const env = { ...process.env, NODE_ENV: "production" };
    const packed = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: join(web, "client"), env });
    // Behind what the build says, in colours or without.
    const list = packed.stdout.slice(packed.stdout.lastIndexOf("\n[\n") + 1);
    const [{ filename, files: content, size }] = JSON.parse(list) as [
      { filename: string; files: { path: string }[]; size: number },
    ];
    packedBytes = size;
    files = content.map(({ path }) => path);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
    await run("npm", ["install", ...quiet, join(folder, filename)], { cwd: folder });
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A project of its own beside the others. */
  function project(name: string, content: Record<string, string>): string {
    const path = join(folder, name);
    mkdirSync(path);
    for (const [file, text] of Object.entries(content)) writeFileSync(join(path, file), text);
    return path;
  }

  /** Vite's own help for old browsers is no part of the package. Of socket.io-client it takes the version of our lock file. */
  const viteConfig = {
    build: { modulePreload: { polyfill: false } },
    resolve: { alias: { "socket.io-client": join(web, "node_modules/socket.io-client") } },
  };

  /** What Vite makes of a page's module. */
  async function bundled(name: string, code: string): Promise<string> {
    const root = project(name, {
      "index.html": '<script type="module" src="/main.js"></script>',
      "main.js": code,
      "vite.config.js": `export default ${JSON.stringify(viteConfig)};`,
    });
    const env = { ...process.env, NODE_ENV: "production" };
    await run("node", [join(web, "node_modules/vite/bin/vite.js"), "build", "--logLevel", "error"], { cwd: root, env });
    const scripts = readdirSync(join(root, "dist/assets")).filter((file) => file.endsWith(".js"));
    return scripts.map((file) => readFileSync(join(root, "dist/assets", file), "utf8")).join("");
  }

  test("holds modules, types, files for pages, and licences, and no sources", () => {
    for (const file of ["dist/index.js", "dist/index.d.ts", "dist/element.js", "dist/pulsewheel-client.js", "dist/licenses.md", "LICENSE-MIT", "README.md"]) {
      expect(files).toContain(file);
    }
    expect(files.filter((file) => /^(src|test)/.test(file))).toEqual([]);
    const manifest = (path: string) => JSON.parse(readFileSync(join(web, path), "utf8")) as { version: string; dependencies: object };
    expect(Object.keys(manifest("client/package.json").dependencies)).toEqual(["socket.io-client"]);
    expect(manifest("client/package.json").dependencies).toEqual(manifest("package.json").dependencies);
    const program = /^version = "(.+)"$/m.exec(readFileSync(join(web, "../Cargo.toml"), "utf8"))?.[1];
    expect(manifest("client/package.json").version).toBe(program);
  });

  test("a Node program follows a server with it", async () => {
    const server = await TestServer.start();
    try {
      server.io.on("connection", (socket) => socket.emit("import_progress", progress(1, 0.5)));
      const root = project("node", {
        "main.js": `
          import { SessionStore, WebSocketClient } from "pulsewheel-client";
          const client = new WebSocketClient({ host: "127.0.0.1", port: process.argv[2] });
          new SessionStore(client);
          client.subscribe("import_progress", (event) => {
            console.log(event.progress);
            client.disconnect();
          });
          await client.connect();
        `,
      });
      const { stdout } = await run("node", ["main.js", String(server.port)], { cwd: root });
      expect(stdout).toBe("0.5\n");
    } finally {
      await server.stop();
    }
  });

  test("a Node program may require it", async () => {
    const root = project("require", {
      "main.cjs": 'const { WebSocketClient } = require("pulsewheel-client");\nconsole.log(new WebSocketClient().url);\n',
    });
    const { stdout } = await run("node", ["main.cjs"], { cwd: root });
    expect(stdout).toBe("http://localhost:8988\n");
  });

  test("is small, and so is what it brings along", () => {
    // The two files for pages have socket.io-client in them, and their maps are not sent along.
    expect(packedBytes).toBeLessThan(MAX_PACKED_BYTES);
    expect(files.filter((file) => file.endsWith(".map"))).toEqual([]);
    for (const file of ["pulsewheel-client.js", "pulsewheel-client.esm.js"]) {
      const content = readFileSync(join(folder, "node_modules/pulsewheel-client/dist", file));
      expect(gzipSync(content, { level: 9 }).length).toBeLessThan(MAX_PAGE_FILE_GZIP_BYTES);
    }
  });

  test.each([
    ["nodenext", { module: "nodenext" }],
    ["bundler", { module: "esnext", moduleResolution: "bundler" }],
  ])("its types hold in a strict project of %s", async (name, modules) => {
    const options = { ...modules, target: "es2022", lib: ["es2023", "dom"], types: [], strict: true, noEmit: true, erasableSyntaxOnly: true };
    const root = project(name, {
      "tsconfig.json": JSON.stringify({ compilerOptions: { ...options, exactOptionalPropertyTypes: true }, files: ["main.ts"] }),
      "main.ts": `
        import { type ImportComplete, WebSocketClient } from "pulsewheel-client";
        import { defineElement } from "pulsewheel-client/element";
        const client = new WebSocketClient({ port: "8988" });
        client.subscribe("import_progress", (event) => event.progress.toFixed(2));
        // @ts-expect-error: there is no such field
        client.subscribe("import_progress", (event) => event.percent);
        // @ts-expect-error: a port is a text
        new WebSocketClient({ port: 8988 });
        const outcome: ImportComplete = await client.track("0b9d6c1e-7a44-4f0c-9b5e-3d1f2a6c8e70");
        outcome.summary?.new_vulnerabilities?.toFixed(0);
        defineElement();
      `,
    });
    const checked = run("node", [join(web, "node_modules/typescript/bin/tsc"), "--project", root], { cwd: root });
    expect(await checked.catch(({ stdout }: { stdout: string }) => stdout)).toMatchObject({ stdout: "" });
  });

  test("Vite bundles it in less than 20 kB, socket.io-client included", async () => {
    const code = await bundled("vite", 'import { WebSocketClient } from "pulsewheel-client"; new WebSocketClient().connect();');
    expect(code).not.toMatch(/from\s*["']/);
    expect(gzipSync(code, { level: 9 }).length).toBeLessThan(MAX_GZIP_BYTES);
  });

  test("the element is bundled where it is asked for", async () => {
    const code = await bundled("element", 'import { defineElement } from "pulsewheel-client/element"; defineElement();');
    expect(code).toContain("pulsewheel-progress");
  });

  test("a plain script tag gives a page the class and the element", async () => {
    const window = new Window({ url: "http://127.0.0.1/", settings: { enableJavaScriptEvaluation: true, suppressInsecureJavaScriptEnvironmentWarning: true } });
    try {
      window.eval(readFileSync(join(folder, "node_modules/pulsewheel-client/dist/pulsewheel-client.js"), "utf8"));
      expect(window.eval("new pulsewheel.WebSocketClient().config.port")).toBe("80");
      expect(window.eval("customElements.get('pulsewheel-progress') === pulsewheel.PulsewheelProgress")).toBe(true);
    } finally {
      await window.happyDOM.close();
    }
  });
});
