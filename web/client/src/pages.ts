/** Entries that a whole list has at most; the newest are kept. An empty page counts as one, should a server's cursors never end. */
const MAX_ENTRIES = 5_000;

export type Page<T> = { next?: string | null } & { [list: string]: T[] | string | null | undefined };

/** Reads the list of that name page by page. */
export async function* pages<T>(list: string, read: (cursor: { cursor?: string }) => Promise<Page<T>>): AsyncGenerator<T[]> {
  let cursor = {};
  for (let entries = 0; entries < MAX_ENTRIES; ) {
    const page = await read(cursor);
    const part = (page[list] ?? []) as T[];
    entries += part.length || 1;
    yield part;
    if (!page.next) return;
    cursor = { cursor: page.next };
  }
}
