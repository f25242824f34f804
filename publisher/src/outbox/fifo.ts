interface Link<Item> {
  item: Item;
  next: Link<Item> | undefined;
}

/** A queue: first in, first out. The time of an operation does not depend on the length of the queue. */
export class Fifo<Item> {
  #head: Link<Item> | undefined;
  #tail: Link<Item> | undefined;

  push(item: Item): void {
    const link = { item, next: undefined };
    if (this.#tail === undefined) this.#head = link;
    else this.#tail.next = link;
    this.#tail = link;
  }

  shift(): Item | undefined {
    const link = this.#head;
    if (link === undefined) return undefined;
    this.#head = link.next;
    if (this.#head === undefined) this.#tail = undefined;
    return link.item;
  }

  /** The item that `shift()` would return. */
  get first(): Item | undefined {
    return this.#head?.item;
  }
}
