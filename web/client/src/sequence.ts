import { remember } from "./remember.js";

/** Sessions whose newest number is remembered; beyond that the one longest without news is forgotten. */
const MAX_REMEMBERED = 5_000;

interface Known {
  seq: number;
  /** Null where only events have told of the session: they do not say when it was created. */
  createdAt: number | null;
  /** A time at which the session was there already, in milliseconds since 1970; 0 where none is known. */
  at: number;
  ended: boolean;
  /** The end was only guessed from an answer, so the event that tells it may still come. */
  guessed: boolean;
  /** The connection that told the newest of it. */
  connection: number;
}

/** The fields of a session object by which it is judged. */
export interface Stamp {
  sessionId: string;
  seq?: number | undefined;
  createdAt?: number | null | undefined;
  status: string;
}

/** The fields of an event by which it is judged. */
export interface Mark {
  sessionId: string;
  seq?: number | undefined;
  timestamp?: string | undefined;
}

/**
 * What became of news: `old` has been told before or is overtaken; `next` goes
 * on with the session that is known; `anew` begins another one, under an id
 * that is new or was used before.
 */
export type Verdict = "old" | "next" | "anew";

/**
 * Knows the newest state of each session and refuses what is older. Numbers of
 * one id rise over reuse of the id and over restarts of the server, so a higher
 * number is news even of a session that has ended.
 */
export class SequenceGuard {
  readonly #known = new Map<string, Known>();
  #connection = 0;

  /**
   * A new connection: the first snapshot of each session that it brings was
   * made after everything that is known, whatever its number says.
   */
  reconnected(): void {
    this.#connection += 1;
  }

  /** An `import_progress`. Without a number there is no order to keep, and it is taken until the end. */
  progress(event: Mark): Verdict {
    const known = this.#known.get(event.sessionId);
    if (known && event.seq === undefined) return known.ended ? "old" : "next";
    if (known && event.seq! <= known.seq) return "old";
    if (known?.ended) return this.#keep(event, null, false, "anew");
    return this.#keep(event, known?.createdAt ?? null, false, "next");
  }

  /** A `session_created`. Without a number it is taken. */
  created(event: Mark): Verdict {
    const known = this.#known.get(event.sessionId);
    if (known && event.seq !== undefined && event.seq <= known.seq) return "old";
    return this.#keep(event, null, false, "anew");
  }

  /** A terminal event. It has no number where the end is only known from an answer. */
  end(event: Mark): Verdict {
    const { sessionId, seq } = event;
    const known = this.#known.get(sessionId);
    if (known?.ended && (seq === undefined || known.guessed)) return "old";
    if (known && seq !== undefined && seq <= known.seq) return "old";
    const verdict = known?.ended ? "anew" : "next";
    this.#keep({ ...event, seq: seq ?? known?.seq }, known?.createdAt ?? null, true, verdict);
    if (seq === undefined) this.#known.get(sessionId)!.guessed = true;
    return verdict;
  }

  /**
   * A session object. While the session runs it may repeat the newest number:
   * it can hold newer figures. `overtaken` says that it may have been on its way
   * for longer than the events, as answers over HTTP are.
   */
  snapshot(session: Stamp, overtaken = false): Verdict {
    const { sessionId, seq = 0, createdAt = null } = session;
    const ended = session.status !== "processing";
    const known = this.#known.get(sessionId);
    const take = (verdict: Verdict): Verdict => this.#keep({ sessionId, seq }, createdAt, ended, verdict);
    if (!known) return take("next");
    // One session was there before it was created? Then they are two.
    const created = known.createdAt;
    if (createdAt !== null && createdAt > (created ?? known.at) && known.at > 0) return take("anew");
    // A server that was started again numbers anew what it has kept: an end is no news for that.
    const isKnown = createdAt !== null && (created === null ? createdAt < known.at : createdAt === created);
    if (known.ended && ended && isKnown) return "old";
    const another = createdAt !== null && created !== null && createdAt !== created;
    const same = !another && seq === known.seq;
    if (same && known.ended) return "old";
    if (seq > known.seq || same) return take(another || known.ended ? "anew" : "next");
    return overtaken || known.connection === this.#connection ? "old" : take("anew");
  }

  #keep({ sessionId, seq = 0, timestamp }: Mark, createdAt: number | null, ended: boolean, verdict: Verdict): Verdict {
    const before = verdict === "anew" ? 0 : (this.#known.get(sessionId)?.at ?? 0);
    const at = Math.max(before, createdAt ?? 0, Date.parse(timestamp ?? "") || 0);
    const known = { seq, createdAt, at, ended, guessed: false, connection: this.#connection };
    remember(this.#known, sessionId, known, MAX_REMEMBERED);
    return verdict;
  }
}
