import { defineConfig } from "vite";

// The client as one file, for pages of others: as a module, and for a plain script tag.
export default defineConfig({
  publicDir: false,
  build: {
    outDir: "client/dist",
    lib: {
      entry: "client/src/browser.ts",
      name: "pulsewheel",
      formats: ["es", "iife"],
      fileName: (format) => (format === "es" ? "pulsewheel-client.esm.js" : "pulsewheel-client.js"),
    },
    // Modules are left with their spaces otherwise, for bundlers, which do not take this one.
    rolldownOptions: { output: { minify: true } },
    // Of the code that is in these files beside the client's own.
    license: { fileName: "licenses.md" },
  },
});
