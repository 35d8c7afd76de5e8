const GLIDE_MS = 180;
/** A smaller step is none. */
const LEAST_PX = 1;

/** What has not arrived after so long was taken off the page. */
const LOST_MS = 1_000;

let gliding = 0;
let begunAt = Number.NEGATIVE_INFINITY;

/** Whether anything is on its way. What is moved meanwhile would be pushed, since browsers look at where it was drawn last. */
export function isGliding(): boolean {
  return gliding > 0 && performance.now() - begunAt < LOST_MS;
}

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
  if (!isGliding()) gliding = 0;
  for (const [element, distance] of moved) {
    // What it is in takes it along.
    const around = [...moved.keys()].findLast((other) => other !== element && other.contains(element));
    const own = distance - (around ? moved.get(around)! : 0);
    if (Math.abs(own) < LEAST_PX) continue;
    // Added, since it may still be on its way.
    const options = { duration: GLIDE_MS, easing: "ease-out", composite: "add" } as const;
    const glide = element.animate([{ transform: `translateY(${own}px)` }, { transform: "translateY(0)" }], options);
    gliding += 1;
    begunAt = performance.now();
    // It has arrived when that has been drawn.
    glide.onfinish = () => setTimeout(() => (gliding -= 1));
  }
}
