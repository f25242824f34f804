/** The messages that a connection was not given although it subscribed to them, so that it can get exactly these later. */

/** Offsets that are remembered; beyond, the client has to refetch. */
const MAX_REMEMBERED = 10_000;

export class Missed {
  /** Rising, as the offsets come. */
  readonly #offsets = new Set<number>();
  /** Offset before the first message that was left out and not yet announced. */
  since = 0;
  /** Messages left out and not yet announced. */
  count = 0;
  /** `count` a second ago: unchanged means that the leaving out has ended. */
  countBefore = 0;
  /** What was left out up to here is forgotten. */
  forgotten = 0;

  get size(): number {
    return this.#offsets.size;
  }

  has(offset: number): boolean {
    return this.#offsets.has(offset);
  }

  /** Offset before the first message that is missing, or undefined when none is. */
  get completeUpTo(): number | undefined {
    const first = this.#offsets.values().next().value;
    return first === undefined ? undefined : first - 1;
  }

  /** A message was left out on purpose. */
  add(offset: number): void {
    if (this.count === 0) this.since = offset - 1;
    this.count++;
    this.unsent(offset);
  }

  /** A message has a sequence but could not be sent: its gap tells the client. */
  unsent(offset: number): void {
    this.#offsets.add(offset);
    if (this.#offsets.size > MAX_REMEMBERED) this.#forget(this.#offsets.values().next().value as number);
  }

  /** The client was told. */
  announced(): void {
    this.count = 0;
    this.countBefore = 0;
  }

  /** The message is sent after all; false when it was not missed. */
  markSent(offset: number): boolean {
    return this.#offsets.delete(offset);
  }

  /** Forgets what has left the history: it cannot be sent any more. */
  prune(floor: number): void {
    for (const offset of this.#offsets) {
      if (offset > floor) return;
      this.#forget(offset);
    }
  }

  /** Another stream has begun: what was missed of the old one nobody can give. */
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
