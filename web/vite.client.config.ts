import { defineConfig } from "vite";

// The client as one file, for pages of others: as a module, and for a plain script tag.
export default defineConfig({
  publicDir: false,
  build: {
    outDir: "dist",
    emptyOutDir: false,
    lib: {
      entry: "src/browser.ts",
      name: "pulsewheel",
      formats: ["es", "iife"],
      fileName: (format) => (format === "es" ? "pulsewheel-client.esm.js" : "pulsewheel-client.js"),
    },
  },
});
