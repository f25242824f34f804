/**
 * Returns the item with the lowest rank first. The rank of an item must not change while the heap holds the
 * item.
 */
export class Heap<Item> {
  readonly #rank: (item: Item) => number;
  readonly #items: Item[] = [];

  constructor(rank: (item: Item) => number) {
    this.#rank = rank;
  }

  /** The item with the lowest rank. */
  get first(): Item | undefined {
    return this.#items[0];
  }

  push(item: Item): void {
    const items = this.#items;
    const rank = this.#rank(item);
    let place = items.push(item) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || this.#rank(parent) <= rank) break;
      items[place] = parent;
      place = above;
    }
    items[place] = item;
  }

  /** Removes the first item and returns it. */
  shift(): Item | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    const rank = this.#rank(last);
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      let child = items[below];
      if (child === undefined) break;
      const right = items[below + 1];
      if (right !== undefined && this.#rank(right) < this.#rank(child)) {
        below++;
        child = right;
      }
      if (this.#rank(child) >= rank) break;
      items[place] = child;
      place = below;
    }
    items[place] = last;
    return first;
  }

  clear(): void {
    this.#items.length = 0;
  }
}
