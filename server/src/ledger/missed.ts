/**
 * Messages that a connection subscribed to but was not sent, so that the client can later get exactly these.
 */

/** Offsets that are remembered. A client that missed more must fetch the current state instead. */
const MAX_REMEMBERED = 10_000;

export class Missed {
  /** In ascending order, because offsets are added as they arrive. */
  readonly #offsets = new Set<number>();
  /** Offset before the first dropped message that was not announced yet. */
  since = 0;
  /** Dropped messages that were not announced yet. */
  count = 0;
  /** `count` a second ago. When it has not changed since, the gateway has stopped dropping messages. */
  countBefore = 0;
  /** Missed offsets up to this one are no longer remembered. */
  forgotten = 0;

  get size(): number {
    return this.#offsets.size;
  }

  has(offset: number): boolean {
    return this.#offsets.has(offset);
  }

  /** Offset up to which the client has everything; undefined when no message is missing. */
  get completeUpTo(): number | undefined {
    const first = this.#offsets.values().next().value;
    return first === undefined ? undefined : first - 1;
  }

  /** Adds a message that was dropped on purpose. */
  add(offset: number): void {
    if (this.count === 0) this.since = offset - 1;
    this.count++;
    this.unsent(offset);
  }

  /** Adds a message that has a sequence but could not be sent: the client notices the gap in the sequence. */
  unsent(offset: number): void {
    this.#offsets.add(offset);
    if (this.#offsets.size > MAX_REMEMBERED) this.#forget(this.#offsets.values().next().value as number);
  }

  /** The client was notified of all dropped messages so far. */
  announced(): void {
    this.count = 0;
    this.countBefore = 0;
  }

  /** Removes a message that is sent after all. Returns false when it was not missed. */
  markSent(offset: number): boolean {
    return this.#offsets.delete(offset);
  }

  /** Forgets the messages that have left the history, because they can no longer be sent. */
  prune(floor: number): void {
    for (const offset of this.#offsets) {
      if (offset > floor) return;
      this.#forget(offset);
    }
  }

  /** Another stream has begun: messages of the old one can no longer be sent. */
  clear(): void {
    this.#offsets.clear();
    this.announced();
    this.forgotten = 0;
  }

  #forget(offset: number): void {
    this.#offsets.delete(offset);
    this.forgotten = offset;
  }
}
