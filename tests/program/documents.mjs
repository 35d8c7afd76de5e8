// The documents of the project as their readers use them: fenced blocks, and the answers that they show.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The documents whose snippets a stranger pastes. */
export function documentNames() {
  const docs = fs.readdirSync(path.join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", "web/client/README.md", ...docs.sort().map((name) => `docs/${name}`)];
}

/**
 * The fenced blocks of a document: language, text, number of the first line, and the block that follows directly, which shows what
 * comes out.
 */
export function blocksOf(document) {
  const lines = fs.readFileSync(path.join(ROOT, document), "utf8").split("\n");
  const blocks = [];
  let between = [];
  for (let index = 0; index < lines.length; index += 1) {
    const fence = /^```(.*)$/.exec(lines[index]);
    if (!fence) {
      between.push(lines[index]);
      continue;
    }
    const end = lines.indexOf("```", index + 1);
    assert.notEqual(end, -1, `${document}:${index + 1}: the block never ends`);
    const block = { language: fence[1], text: lines.slice(index + 1, end).join("\n"), line: index + 1, next: null };
    if (blocks.length > 0 && between.every((line) => line.trim() === "")) blocks.at(-1).next = block;
    blocks.push(block);
    between = [];
    index = end;
  }
  return blocks;
}

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|…|[{}[\],:]|-?\d[\d.eE+-]*|true|false|null)/y;
/** The key that stands for fields which a document leaves out. */
export const LEFT_OUT = "…";

/** The JSON values of a text, one behind the other. Where a document has `…`, objects get the key `LEFT_OUT`, and arrays end. */
export function jsonValues(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const from = TOKEN.lastIndex;
    const token = TOKEN.exec(text);
    assert.ok(token, `no JSON: ${text.slice(from, from + 60)}`);
    tokens.push(token[1]);
  }
  let at = 0;
  const take = (wanted) => {
    const token = tokens[at++];
    if (wanted) assert.equal(token, wanted, `behind ${tokens.slice(Math.max(0, at - 6), at - 1).join(" ")}`);
    return token;
  };
  /** Reads up to the closing mark; what stands beside an ellipsis needs no comma. */
  const items = (close, read) => {
    let separated = true;
    while (tokens[at] !== close) {
      assert.ok(separated, `a comma is missing before ${tokens[at]}`);
      const left = tokens[at] === LEFT_OUT;
      if (left) take();
      read(left);
      separated = left;
      if (tokens[at] === ",") separated = Boolean(take());
      else if (tokens[at] === LEFT_OUT) separated = true;
    }
    take(close);
  };
  const value = () => {
    const token = take();
    if (token === "{") {
      const object = {};
      items("}", (left) => {
        if (left) return void (object[LEFT_OUT] = true);
        const key = JSON.parse(take());
        take(":");
        object[key] = value();
      });
      return object;
    }
    if (token === "[") {
      const array = [];
      items("]", (left) => left || array.push(value()));
      return array;
    }
    return JSON.parse(token ?? "");
  };
  const values = [];
  while (at < tokens.length) values.push(value());
  return values;
}

const kindOf = (value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value);

/** Fails unless an answer has the shape that a document shows: the same fields of the same kinds, and codes to the letter. */
export function assertShape(real, shown, where) {
  assert.equal(kindOf(real), kindOf(shown), where);
  if (Array.isArray(shown)) {
    assert.ok(real.length >= Math.min(1, shown.length), `${where} is empty`);
    shown.slice(0, real.length).forEach((item, index) => assertShape(real[index], item, `${where}[${index}]`));
  } else if (shown !== null && typeof shown === "object") {
    for (const [key, item] of Object.entries(shown)) {
      if (key === LEFT_OUT) continue;
      assert.ok(key in real, `${where} has no ${key}`);
      if (["code", "status"].includes(key)) assert.equal(real[key], item, `${where}.${key}`);
      assertShape(real[key], item, `${where}.${key}`);
    }
    const further = Object.keys(real).filter((key) => !(key in shown));
    if (!(LEFT_OUT in shown)) assert.deepEqual(further, [], `${where} has more than is shown`);
  }
}
