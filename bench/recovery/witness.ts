/** What one client received, and how long its outages were. */

/** Number of the newest message of each channel. */
export type Heads = readonly number[];

export class Witness {
  readonly channel: number;
  inOrder = 0;
  wrong = 0;
  overtaken = 0;
  readonly outagesMs: number[] = [];
  readonly #heads: Heads;
  readonly #whole: () => void;
  #last = 0;
  #subscribed = false;
  #outageSince: number | undefined;

  /** @param whole called when an outage ends, and when the client is subscribed for the first time */
  constructor(channel: number, heads: Heads, whole: () => void) {
    this.channel = channel;
    this.#heads = heads;
    this.#whole = whole;
  }

  get isAway(): boolean {
    return this.#outageSince !== undefined || !this.#subscribed;
  }

  /** The connection has ended. */
  ended(): void {
    this.#subscribed = false;
  }

  /** The server has confirmed the subscription. */
  subscribed(now: number): void {
    this.#subscribed = true;
    this.#check(now);
  }

  /** Message `n` of the channel has arrived: the messages of a channel are 1, 2, 3 … */
  message(n: number, now: number): void {
    if (n > this.#last) {
      this.#last = n;
      this.inOrder++;
    } else this.wrong++;
    if (this.#outageSince !== undefined) this.#check(now);
  }

  /** An outage begins. One that has not ended yet counts up to now. */
  outage(now: number): void {
    if (this.#outageSince !== undefined) {
      this.overtaken++;
      this.outagesMs.push(now - this.#outageSince);
    }
    this.#outageSince = now;
  }

  #check(now: number): void {
    if (!this.#subscribed || this.#last < (this.#heads[this.channel] ?? 0)) return;
    if (this.#outageSince !== undefined) this.outagesMs.push(now - this.#outageSince);
    this.#outageSince = undefined;
    this.#whole();
  }
}
