/** Entries that a whole list has at most; the newest are kept. */
const MAX_ENTRIES = 5_000;
/** Pages that a list is read to at most, should a server's cursors never end. */
const MAX_PAGES = 1_000;

export type Page<T> = { next?: string | null } & { [list: string]: T[] | string | null | undefined };

/** Reads the list of that name page by page. */
export async function* pages<T>(list: string, read: (cursor: { cursor?: string }) => Promise<Page<T>>): AsyncGenerator<T[]> {
  let cursor = {};
  for (let count = 0, entries = 0; count < MAX_PAGES && entries < MAX_ENTRIES; count += 1) {
    const page = await read(cursor);
    const part = (page[list] ?? []) as T[];
    entries += part.length;
    yield part;
    if (!page.next) return;
    cursor = { cursor: page.next };
  }
}
