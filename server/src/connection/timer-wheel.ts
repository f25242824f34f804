/**
 * One timer for all connections. The wheel visits an item when something is due (a ping, a token's expiry),
 * and the item returns the time of its next visit. Uses no clock; times are whole seconds.
 */

/** An item that a wheel visits. */
export interface WheelItem {
  /** Time of the next visit, set by the wheel; 0 for none. */
  dueAt: number;
  /** Does the work that is due. Returns the time of the next visit, or 0 for none. */
  visit(second: number): number;
}

export class TimerWheel {
  readonly #slots = new Map<number, Set<WheelItem>>();
  #second: number;

  constructor(second: number) {
    this.#second = second;
  }

  /** Schedules a visit, which replaces an earlier one of the same item. */
  schedule(item: WheelItem, second: number): void {
    this.cancel(item);
    const at = Math.max(second, this.#second + 1);
    item.dueAt = at;
    const slot = this.#slots.get(at);
    if (slot === undefined) this.#slots.set(at, new Set([item]));
    else slot.add(item);
  }

  /** Removes an item. A reference to a closed connection would keep its memory. */
  cancel(item: WheelItem): void {
    this.#slots.get(item.dueAt)?.delete(item);
    item.dueAt = 0;
  }

  /** Visits all items that are due up to this second. */
  advance(second: number): void {
    while (this.#second < second) {
      const at = ++this.#second;
      const slot = this.#slots.get(at);
      if (slot === undefined) continue;
      this.#slots.delete(at);
      for (const item of slot) {
        // Another item's visit may have cancelled or rescheduled this item.
        if (item.dueAt !== at) continue;
        item.dueAt = 0;
        const next = item.visit(second);
        if (next > 0) this.schedule(item, next);
      }
    }
  }
}
