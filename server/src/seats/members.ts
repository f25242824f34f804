/** Which gateways there are: those that were heard within the last seconds. Uses no clock. */

/** A gateway that is silent for this time has ended: three of its messages are missing. */
export const EXPIRE_MS = 6000;
/** A gateway that has said `bye` is not taken for a new one when a late message of it arrives. */
const GONE_MS = 30_000;

export class Members {
  /** Time for which each gateway was silent, ms. */
  readonly #silent = new Map<string, number>();
  /** Gateways that have said `bye`, with the time since then in ms. */
  readonly #gone = new Map<string, number>();

  get size(): number {
    return this.#silent.size;
  }
  has(id: string): boolean {
    return this.#silent.has(id);
  }
  hasLeft(id: string): boolean {
    return this.#gone.has(id);
  }
  /** In an order that is the same on all gateways. */
  all(): string[] {
    return [...this.#silent.keys()].sort();
  }

  /** Returns whether the gateway was not known before. */
  heard(id: string): boolean {
    const known = this.#silent.has(id);
    this.#silent.set(id, 0);
    return !known;
  }

  left(id: string): void {
    this.#silent.delete(id);
    this.#gone.set(id, 0);
  }

  /** Lets time pass, and returns the gateways that have been silent for too long. */
  pass(ms: number): string[] {
    const expired: string[] = [];
    for (const [id, silent] of this.#silent) {
      this.#silent.set(id, silent + ms);
      if (silent + ms > EXPIRE_MS) expired.push(id);
    }
    for (const id of expired) this.#silent.delete(id);
    for (const [id, since] of this.#gone) {
      if (since + ms > GONE_MS) this.#gone.delete(id);
      else this.#gone.set(id, since + ms);
    }
    return expired;
  }
}
