const GLIDE_MS = 180;
/** A smaller step is none. */
const LEAST_PX = 1;

/**
 * Makes a change, and lets those elements glide to their new places that it has
 * moved. So a reader does not lose what was looked at, and a click does not hit
 * what has just come to this place. Elements stand behind those that they are in.
 */
export function glide(elements: () => Iterable<HTMLElement>, change: () => void): void {
  if (document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches) return change();
  const tops = [...elements()].map((element) => ({ element, top: element.getBoundingClientRect().top }));
  change();
  const moved = new Map<HTMLElement, number>();
  for (const { element, top } of tops) {
    if (element.isConnected) moved.set(element, top - element.getBoundingClientRect().top);
  }
  for (const [element, distance] of moved) {
    // What it is in takes it along.
    const around = [...moved.keys()].findLast((other) => other !== element && other.contains(element));
    const own = distance - (around ? moved.get(around)! : 0);
    if (Math.abs(own) < LEAST_PX) continue;
    // Added, since it may still be on the way of the change before.
    const options = { duration: GLIDE_MS, easing: "ease-out", composite: "add" } as const;
    element.animate([{ transform: `translateY(${own}px)` }, { transform: "translateY(0)" }], options);
  }
}
