/** Puts the texts of the catalogue into index.html, which names them by their place: `{{PAGE.frame.skip}}`. */

import type { Plugin } from "vite";
import * as texts from "./src/texts/index.ts";

export function htmlTexts(): Plugin {
  return { name: "html-texts", transformIndexHtml: { order: "pre", handler: withTexts } };
}

function withTexts(html: string): string {
  return html.replace(/\{\{([\w.]+)\}\}/g, (_, place: string) => {
    const text = place.split(".").reduce<unknown>((part, key) => (part as Record<string, unknown> | undefined)?.[key], texts);
    if (typeof text !== "string") throw new Error(`index.html names a text that is not there: ${place}`);
    return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  });
}
