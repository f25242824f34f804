/**
 * One timer for all connections: each is visited when something is due on it (ping, silence, token's expiry), and says when it
 * wants to be visited next. Knows no clock; times are whole seconds.
 */

/** What a wheel visits. */
export interface WheelItem {
  /** Second of the next visit, kept by the wheel. */
  dueAt: number;
  /** Does what is due and returns the second of the next visit, or 0 for none. */
  visit(second: number): number;
}

export class TimerWheel {
  readonly #slots = new Map<number, Set<WheelItem>>();
  #second: number;

  constructor(second: number) {
    this.#second = second;
  }

  /** Plans a visit. An earlier plan of the same item is replaced. */
  schedule(item: WheelItem, second: number): void {
    this.cancel(item);
    const at = Math.max(second, this.#second + 1);
    item.dueAt = at;
    const slot = this.#slots.get(at);
    if (slot === undefined) this.#slots.set(at, new Set([item]));
    else slot.add(item);
  }

  /** Forgets an item altogether: what still referred to a closed connection would keep its memory. */
  cancel(item: WheelItem): void {
    this.#slots.get(item.dueAt)?.delete(item);
    item.dueAt = 0;
  }

  /** Visits all that is due up to this second. */
  advance(second: number): void {
    while (this.#second < second) {
      const at = ++this.#second;
      const slot = this.#slots.get(at);
      if (slot === undefined) continue;
      this.#slots.delete(at);
      for (const item of slot) {
        // Cancelled or planned anew by the visit of another.
        if (item.dueAt !== at) continue;
        item.dueAt = 0;
        const next = item.visit(second);
        if (next > 0) this.schedule(item, next);
      }
    }
  }
}
