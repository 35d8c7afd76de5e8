/** Ended sessions that are remembered, so that late events of theirs are recognised. */
const MAX_ENDED = 500;

/** Knows how far each session has come and refuses what is older. */
export class SequenceGuard {
  readonly #last = new Map<string, number>();
  readonly #ended = new Set<string>();

  /**
   * True when `seq` is newer than all seen of a session that has not ended.
   * Without a number there is no order to keep, and the event is taken.
   */
  accept(sessionId: string, seq: number | undefined): boolean {
    return this.#take(sessionId, seq, 1);
  }

  /** As `accept`, but a snapshot may repeat the latest number: it holds the newer figures. */
  acceptSnapshot(sessionId: string, seq: number | undefined): boolean {
    return this.#take(sessionId, seq, 0);
  }

  /** Marks the end. False when it was known already. */
  end(sessionId: string, seq: number | undefined): boolean {
    if (this.#ended.has(sessionId)) return false;
    if (seq !== undefined && seq < (this.#last.get(sessionId) ?? seq)) return false;
    this.#last.delete(sessionId);
    this.#ended.add(sessionId);
    for (const oldest of this.#ended) {
      if (this.#ended.size <= MAX_ENDED) break;
      this.#ended.delete(oldest);
    }
    return true;
  }

  /** A session of this id begins anew. */
  forget(sessionId: string): void {
    this.#last.delete(sessionId);
    this.#ended.delete(sessionId);
  }

  #take(sessionId: string, seq: number | undefined, leastStep: number): boolean {
    if (this.#ended.has(sessionId)) return false;
    if (seq === undefined) return true;
    const last = this.#last.get(sessionId);
    if (last !== undefined && seq < last + leastStep) return false;
    this.#last.set(sessionId, seq);
    return true;
  }
}
