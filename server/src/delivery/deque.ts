/** A queue on an array: push at the end, shift from the front in constant time. */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #start = 0;

  get length(): number {
    return this.#items.length - this.#start;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#start];
    this.#items[this.#start++] = undefined;
    // Half of the array is empty: moving the rest costs no more than the shifts since the last move.
    if (this.#start > 32 && this.#start * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return item;
  }

  /** Returns the items from this index on, at most `count`, without removing them. */
  slice(index: number, count: number): T[] {
    const from = this.#start + index;
    return this.#items.slice(from, from + count) as T[];
  }

  /** Returns the item at this index, counted from the front. */
  at(index: number): T | undefined {
    return index < 0 ? undefined : this.#items[this.#start + index];
  }
}
