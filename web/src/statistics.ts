import type { DayCount, Statistics } from "./api";
import { h, setText, svg } from "./dom";
import { formatCount, formatDay } from "./format";
import { COMMON, STATISTICS } from "./texts";

/** The chart in units of its own; the style sheet says how large it is. */
const WIDTH = 600;
const HEIGHT = 90;
/** Hosts that have room beside the chart. */
const MAX_HOSTS = 5;

/** How the findings came about: a small chart of the last days, and the hosts that have the most. */
export class StatisticsView {
  readonly #container: HTMLElement;
  readonly #showHost: (host: string) => void;
  readonly #words = h("p", { class: "subtle", testid: "chart-words" });
  readonly #chart = h("div", { class: "chart", testid: "chart" });
  readonly #hosts = h("ol", { class: "top-hosts", testid: "top-hosts" });
  #shown = "";

  constructor(container: HTMLElement, showHost: (host: string) => void) {
    this.#container = container;
    this.#showHost = showHost;
    container.append(
      h("div", { class: "over-time" }, h("h3", {}, STATISTICS.title), this.#chart, this.#words),
      h("div", {}, h("h3", {}, STATISTICS.hosts), this.#hosts),
    );
  }

  show(statistics: Statistics | null): void {
    const shows = JSON.stringify(statistics);
    if (shows === this.#shown) return;
    this.#shown = shows;
    const days = statistics?.overTime ?? [];
    this.#container.hidden = !days.some((day) => day.active > 0 || day.resolved > 0);
    if (this.#container.hidden || !statistics) return;
    const words = inWords(days);
    setText(this.#words, words);
    this.#chart.replaceChildren(chart(days, words));
    this.#hosts.replaceChildren(
      ...statistics.byHost.slice(0, MAX_HOSTS).map(({ host, hostname, ip, count }) =>
        h(
          "li",
          {},
          h(
            "button",
            { type: "button", class: "link-button", title: COMMON.onlyThisHost, onclick: () => this.#showHost(host) },
            h("bdi", {}, hostname ?? ip ?? host),
          ),
          h("span", { class: "subtle" }, formatCount(count)),
        ),
      ),
    );
  }
}

function inWords(days: DayCount[]): string {
  const sum = (key: "new" | "resolved"): number => days.reduce((total, day) => total + day[key], 0);
  const [first, last] = [days[0]!, days.at(-1)!];
  return STATISTICS.summary(first.active, last.active, sum("new"), sum("resolved"));
}

/** A line of what was active, and a bar for each day with what was new; each day tells its figures. */
function chart(days: DayCount[], words: string): SVGElement {
  const most = Math.max(1, ...days.map(({ active }) => active));
  const step = WIDTH / days.length;
  const y = (count: number): number => round(HEIGHT - (count / most) * (HEIGHT - 4));
  const points = days.map(({ active }, index) => `${round((index + 0.5) * step)},${y(active)}`);
  const line = points.join(" ");
  const area = `${round(step / 2)},${HEIGHT} ${line} ${round(WIDTH - step / 2)},${HEIGHT}`;
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": words });
  root.append(svg("polygon", { class: "area", points: area }), svg("polyline", { class: "line", points: line }));
  days.forEach((day, index) => {
    const bar = svg("rect", { class: "new", x: round((index + 0.2) * step), width: round(step * 0.6), y: y(day.new), height: HEIGHT - y(day.new) });
    const whole = svg("rect", { class: "day", x: round(index * step), width: round(step), y: 0, height: HEIGHT });
    const title = svg("title", {});
    title.textContent = STATISTICS.day(formatDay(day.date), day.active, day.new, day.resolved);
    whole.append(title);
    if (day.new > 0) root.append(bar);
    root.append(whole);
  });
  return root;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
