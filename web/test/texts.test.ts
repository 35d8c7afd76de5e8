// The texts that people read stand in the catalogue alone, and all that it has is used.

import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAst } from "vite";
import { describe, expect, test } from "vitest";
import * as catalogue from "../src/texts";

const web = fileURLToPath(new URL("../", import.meta.url));
const sources = readdirSync(`${web}src`).filter((name) => name.endsWith(".ts"));
const html = readFileSync(`${web}index.html`, "utf8");
const read = (name: string): Node => parsed(readFileSync(`${web}src/${name}`, "utf8"));

interface Node {
  type: string;
  [field: string]: unknown;
}

describe("words for people", () => {
  // The package's element has its own in `words.ts`.
  test.each([...sources, "../client/src/element.ts"])("are not written in %s", (name) => {
    expect(wordsIn(read(name))).toEqual([]);
  });

  test("are not written in index.html", () => {
    const markup = html.replace(/\{\{[\w.]+\}\}/g, "").replace(/<!--.*?-->|<path [^>]*>/gs, "");
    const texts = [...markup.matchAll(/>([^<]*)</g), ...markup.matchAll(/ (?:aria-label|title|placeholder|alt)="([^"]*)"/g)];
    expect(texts.map(([, text]) => text!.trim()).filter(Boolean)).toEqual([]);
  });

  test.each([
    'element.textContent = "Some words";',
    'element.title = `${count} words`;',
    'const message = "Done";',
    'h("p", { class: "subtle" }, isOver ? "over" : null);',
    'h("button", { "aria-label": "close" });',
    'setText(element, "over");',
    'setAttribute(element, "aria-label", "close");',
    'const told = `took ${time}`;',
    'complain(failed ? "It did not work" : "");',
  ])("are found in %s", (code) => {
    expect(wordsIn(parsed(code))).not.toEqual([]);
  });

  test.each([
    'h("p", { class: "card empty", testid: "no-match" }, TEXTS.noMatch);',
    'element.querySelector("button:not([hidden]) span");',
    'if (event.key === "Escape") throw new Error("the page has no such element");',
    'type Words = "Some words";',
    'const value = `${count} ${TEXTS.rows}`;',
  ])("are not %s", (code) => {
    expect(wordsIn(parsed(code))).toEqual([]);
  });
});

test("every text of the catalogue is used", () => {
  const used = new Set([...html.matchAll(/\{\{([\w.]+)\}\}/g)].map(([, place]) => place!));
  for (const name of sources) for (const place of placesIn(read(name))) used.add(place);
  // A text is used by its own name, or with the whole group in which it is.
  const isUsed = (place: string): boolean => used.has(place) || (place.includes(".") && isUsed(place.replace(/\.[^.]*$/, "")));
  expect(placesOf(catalogue).filter((place) => !isUsed(place))).toEqual([]);
});

function parsed(code: string): Node {
  return parseAst(code, { lang: "ts" }) as unknown as Node;
}

/** Attributes that are read, or read out. */
const READ = new Set(["aria-label", "aria-valuetext", "title", "placeholder", "alt"]);
/** Attributes of several words that nobody reads, and functions that take selectors. */
const UNREAD = new Set(["class", "rel", "querySelector", "querySelectorAll", "matchMedia", "closest", "matches"]);
/** Outlines of icons, words of the server, a command for a terminal, keys of the browser's storage, and a style sheet. */
const EXCEPTIONS = /^M\d[\d.a-zA-Z -]+$|^(Critical|High|Medium|Low|Info)$|^curl -H |^pulsewheel\.[a-z]+ |^\s*:host /;

/** Literals that look like words for people, or stand where only such are. */
function wordsIn(node: Node): string[] {
  switch (node.type) {
    case "ImportDeclaration":
      return [];
    case "Literal":
    case "TemplateLiteral":
      return [...(looksLikeWords(textOf(node)) ? [textOf(node)] : []), ...within(node)];
    // What is compared is not shown.
    case "BinaryExpression":
      return node["operator"] === "+" ? within(node) : [];
    case "NewExpression":
      // Errors of the page's own are for those who write it.
      return nameOf(node["callee"]) === "Error" ? [] : within(node);
    case "Property":
      return ofAttribute(nameOf(node["key"]), node["value"] as Node);
    case "AssignmentExpression":
      return ofAttribute(nameOf(node["left"]).replace(/^(textContent|innerText)$/, "title"), node["right"] as Node);
    case "CallExpression":
      return ofCall(node);
    default:
      return within(node);
  }
}

function ofCall(node: Node): string[] {
  const name = nameOf(node["callee"]);
  const given = node["arguments"] as Node[];
  if (UNREAD.has(name) || name === "includes") return [];
  if (name === "h") return [...given.slice(0, 2).flatMap(wordsIn), ...given.slice(2).flatMap(shown)];
  if (name === "setText") return shown(given[1]!);
  // Of an element, or with one.
  if (name === "setAttribute") return ofAttribute(textOf(given.at(-2)!), given.at(-1)!);
  return within(node);
}

function ofAttribute(name: string, value: Node): string[] {
  if (UNREAD.has(name)) return [];
  return READ.has(name) ? shown(value) : wordsIn(value);
}

/** Where a text is shown even one word is too much. */
function shown(node: Node): string[] {
  if (node.type === "ConditionalExpression") return [node["consequent"], node["alternate"]].flatMap((part) => shown(part as Node));
  if (node.type === "LogicalExpression") return [...wordsIn(node["left"] as Node), ...shown(node["right"] as Node)];
  if (node.type !== "Literal" && node.type !== "TemplateLiteral") return wordsIn(node);
  return [...(/\p{L}/u.test(textOf(node)) ? [textOf(node)] : []), ...within(node)];
}

/** Several words, or one that begins like a sentence. */
function looksLikeWords(text: string): boolean {
  return !EXCEPTIONS.test(text) && (/\p{L}{2,}.*\s|\s.*\p{L}{2,}/u.test(text) || /^\p{Lu}\p{Ll}+[….:!?]?$/u.test(text));
}

/** The fixed parts of a text, with a gap where something is put in. */
function textOf(node: Node): string {
  if (node.type === "Literal") return typeof node["value"] === "string" ? node["value"] : "";
  if (node.type !== "TemplateLiteral") return "";
  return (node["quasis"] as { value: { cooked: string } }[]).map(({ value }) => value.cooked).join("0");
}

function within(node: Node): string[] {
  return childrenOf(node).flatMap(wordsIn);
}

/** All parts that run; types do not. */
function childrenOf(node: Node): Node[] {
  const parts = Object.values(node).flat() as unknown[];
  return parts.filter((part): part is Node => typeof (part as Node | null)?.type === "string" && !/^TS(?!As|NonNull|Satisfies|ParameterProperty)/.test((part as Node).type));
}

/** The last name of `x`, `x.y`, `this.#y` or `"y"`. */
function nameOf(node: unknown): string {
  const { type, name, value, property } = node as Node;
  return type === "MemberExpression" ? nameOf(property) : String(name ?? value ?? "");
}

/** The places in the catalogue that a module names: `TEXTS.table` is `FINDINGS.table` where it was imported so. */
function placesIn(module: Node): string[] {
  const aliases = new Map<string, string>();
  for (const { type, source, specifiers } of childrenOf(module)) {
    if (type !== "ImportDeclaration" || (source as Node)["value"] !== "./texts") continue;
    for (const { local, imported } of specifiers as Node[]) aliases.set(nameOf(local), nameOf(imported));
  }
  const places = (node: Node): string[] => {
    const place = placeOf(node, aliases);
    return place === null ? childrenOf(node).flatMap(places) : [place, ...(node["computed"] ? places(node["property"] as Node) : [])];
  };
  return childrenOf(module).filter(({ type }) => type !== "ImportDeclaration").flatMap(places);
}

function placeOf(node: Node, aliases: ReadonlyMap<string, string>): string | null {
  if (node.type === "Identifier") return aliases.get(nameOf(node)) ?? null;
  if (node.type !== "MemberExpression") return null;
  const place = placeOf(node["object"] as Node, aliases);
  return place === null || node["computed"] ? place : `${place}.${nameOf(node["property"])}`;
}

function placesOf(texts: object, before = ""): string[] {
  return Object.entries(texts).flatMap(([key, text]) => {
    const isGroup = typeof text === "object" && !Array.isArray(text);
    return isGroup ? placesOf(text as object, `${before}${key}.`) : [`${before}${key}`];
  });
}
