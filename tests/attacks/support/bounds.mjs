/** Which bounds are missed, as text with the figures that missed them. A figure that is not there misses its bound. */
export function missedBounds(bounds, figures) {
  return Object.entries(bounds)
    .filter(([name, { min = -Infinity, max = Infinity }]) => !(figures[name] >= min && figures[name] <= max))
    .map(([name, { min, max }]) => `${name}: ${figures[name]}, ${min === undefined ? `at most ${max}` : `at least ${min}`}`);
}
