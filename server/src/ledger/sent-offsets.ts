/**
 * Offsets of the messages that one connection was sent. Only connections with a `max_rate` have them: for all
 * others, it follows from their subscriptions what they were sent.
 */

/** Fewest offsets before those that left the history are removed. */
const MIN_PRUNE = 64;

export class SentOffsets {
  /** What was sent is known above this offset. */
  readonly since: number;
  readonly #offsets = new Set<number>();
  #pruneAt = MIN_PRUNE;

  constructor(since: number) {
    this.since = since;
  }

  get size(): number {
    return this.#offsets.size;
  }

  has(offset: number): boolean {
    return this.#offsets.has(offset);
  }

  /** `floor`: offsets up to this one have left the history, and nobody asks for them any more. */
  add(offset: number, floor: number): void {
    this.#offsets.add(offset);
    if (this.#offsets.size < this.#pruneAt) return;
    for (const one of this.#offsets) if (one <= floor) this.#offsets.delete(one);
    this.#pruneAt = Math.max(MIN_PRUNE, this.#offsets.size * 2);
  }

  delete(offset: number): void {
    this.#offsets.delete(offset);
  }
}
