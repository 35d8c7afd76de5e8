import { defineConfig } from "vitest/config";
import { htmlTexts } from "./html-texts.ts";

// `npm run dev` serves the page with hot reload and hands everything else to a
// pulsewheel that runs beside it.
const server = process.env.PULSEWHEEL_URL ?? "http://127.0.0.1:8988";

export default defineConfig({
  // The page may lie below any path of a host.
  base: "./",
  plugins: [htmlTexts()],
  build: {
    // The server sends `default-src 'self'`, which forbids data: URLs and
    // inline scripts, so nothing may be inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The program prints the licences of what it embeds; this is the page's part.
    license: { fileName: "licenses.md" },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/api": server,
      "/socket.io": { target: server, ws: true },
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
