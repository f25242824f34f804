/**
 * One timer for all connections: each is visited when something is due on it (ping, silence, token's expiry), and says when it
 * wants to be visited next. Knows no clock; times are whole seconds.
 */

/** What a wheel visits. */
export interface Due {
  /** Second of the next visit, kept by the wheel. */
  dueAt: number;
  /** Does what is due and returns the second of the next visit, or 0 for none. */
  visit(second: number): number;
}

export class Wheel {
  readonly #slots = new Map<number, Due[]>();
  #turned: number;

  constructor(second: number) {
    this.#turned = second;
  }

  /** Plans a visit. An earlier plan of the same item is replaced. */
  plan(item: Due, second: number): void {
    const at = Math.max(second, this.#turned + 1);
    item.dueAt = at;
    const slot = this.#slots.get(at);
    if (slot === undefined) this.#slots.set(at, [item]);
    else slot.push(item);
  }

  cancel(item: Due): void {
    item.dueAt = 0;
  }

  /** Visits all that is due up to this second. */
  turn(second: number): void {
    while (this.#turned < second) {
      const at = ++this.#turned;
      const slot = this.#slots.get(at);
      if (slot === undefined) continue;
      this.#slots.delete(at);
      for (const item of slot) {
        // Planned anew or cancelled since: this entry is void.
        if (item.dueAt !== at) continue;
        const next = item.visit(second);
        if (next > 0) this.plan(item, next);
        else item.dueAt = 0;
      }
    }
  }
}
