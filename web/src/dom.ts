/** Small helpers to build and change the page. Text only ever becomes text nodes, never markup. */

type Child = Node | string | null | undefined | false;

interface Properties {
  class?: string | null;
  testid?: string | null;
  onclick?: (event: MouseEvent) => void;
  /** Attributes; `true` sets an empty one, `false` and `null` leave it out. */
  [attribute: string]: string | number | boolean | null | undefined | ((event: MouseEvent) => void);
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener("click", value as EventListener);
    else setAttribute(element, name === "testid" ? "data-testid" : name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** Finds what the page must have. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as E;
}

/** Writes only what differs, so that unchanged parts cost no layout and are not read out again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Even a class that is there already would be a change of the document. */
export function setClass(element: Element, name: string, present: boolean): void {
  if (element.classList.contains(name) !== present) element.classList.toggle(name, present);
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

export function setStyle(element: HTMLElement, property: "paddingTop" | "paddingBottom" | "transform", value: string): void {
  if (element.style[property] !== value) element.style[property] = value;
}

const SVG = "http://www.w3.org/2000/svg";

/** An element of a drawing. */
export function svg(name: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/** Outline icons on a grid of 24 units, drawn with the colour of the text. */
const ICONS = {
  upload: "M12 16V4m0 0L7 9m5-5 5 5M4 15v3a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5 10 17.5 19 7",
  alert: "M12 8v5m0 3.5v.01M10.3 4.2 2.9 17a2 2 0 0 0 1.7 3h14.8a2 2 0 0 0 1.7-3L13.7 4.2a2 2 0 0 0-3.4 0z",
  info: "M12 11v5m0-8.5v.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  chevron: "M6 9.5l6 6 6-6",
  stop: "M6 6h12v12H6z",
  file: "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8zm0 0v5h5",
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGElement {
  const root = svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" });
  root.append(svg("path", { d: ICONS[name] }));
  return root;
}

/** A round button that only shows a cross; `label` is what it is called. */
export function closeButton(label: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick }, icon("close"));
}
