/** The part of a long list that is on the page, and the room that is kept before and behind it. */
export interface Stretch {
  /** Index of the first item. */
  from: number;
  /** Index behind the last item. */
  to: number;
  /** Height of all items before, in pixels. */
  before: number;
  /** Height of all items behind. */
  after: number;
}

/** What a view of this height shows of items of these heights when it is scrolled to `top`; `spare` pixels more on both sides. */
export function stretchAt(heights: readonly number[], top: number, height: number, spare: number): Stretch {
  let from = 0;
  let before = 0;
  while (from < heights.length && before + heights[from]! <= top - spare) before += heights[from++]!;
  let to = from;
  let end = before;
  while (to < heights.length && end < top + height + spare) end += heights[to++]!;
  let after = 0;
  for (let index = to; index < heights.length; index += 1) after += heights[index]!;
  return { from, to, before, after };
}

/** Where a session stands in a list, in pixels from its beginning. */
export interface Place {
  sessionId: string;
  running: boolean;
  y: number;
  height: number;
}

/** Where a session stands now; null where it is not in the list any more. */
export function placeOf(items: readonly { sessionId: string }[], heights: readonly number[], sessionId: string): number | null {
  let y = 0;
  for (const [index, item] of items.entries()) {
    if (item.sessionId === sessionId) return y;
    y += heights[index]!;
  }
  return null;
}
