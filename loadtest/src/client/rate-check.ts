/** Checks that the messages of each channel come no more often than a client asked for. */

/**
 * How much earlier than due a message may seem to come, ms. After a stall of the network or of this process,
 * messages that were sent one after the other arrive together.
 */
const TOLERANCE_MS = 2000; // 2 s

export class RateCheck {
  readonly #intervalMs: number;
  /** By channel: when the next message is due if none comes early, ms. */
  readonly #nextAt = new Map<string, number>();

  /** @param perSecond messages a second of each channel */
  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
  }

  /** Records a message. Returns false when the channel has had more messages than its rate allows. */
  accepts(channel: string, nowMs: number): boolean {
    const due = Math.max(nowMs, this.#nextAt.get(channel) ?? 0);
    if (due - nowMs > TOLERANCE_MS) return false;
    this.#nextAt.set(channel, due + this.#intervalMs);
    return true;
  }
}
