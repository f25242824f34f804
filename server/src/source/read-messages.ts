/** Which messages of the stream were read: their sequences and the times at which NATS stored them. */

/** One message that the stream has stored. */
export interface StoredMessage {
  /** Sequence in the stream, 1 or more. */
  seq: number;
  /**
   * Time at which NATS stored the message, nanoseconds since 1970. A number is exact to 256 ns only, but
   * equal times give equal numbers.
   */
  storedAt: number;
}

/**
 * Messages that are remembered: two minutes of 1,000 messages a second. NATS may lose this many by default.
 */
const CAPACITY = 131_072;

/**
 * Remembers the last messages in two arrays of fixed size (2 MB). Two messages with the same sequence and the
 * same time are the same message: a server that lost messages gives their sequences away again, but later.
 */
export class ReadMessages {
  readonly #seqs: Float64Array;
  readonly #times: Float64Array;
  /**
   * Messages are numbered as they are added. A message is at the index: its number modulo the capacity. This
   * is the number of the next message.
   */
  #end = 0;
  /** Number of the oldest message that is remembered. */
  #start = 0;

  constructor(capacity: number = CAPACITY) {
    this.#seqs = new Float64Array(capacity);
    this.#times = new Float64Array(capacity);
  }

  /** Sequence of the oldest message that is remembered; 0 when no message is. */
  get firstSeq(): number {
    return this.#seqOf(this.#start);
  }

  /** Adds a message. Its sequence must be above the sequences of all messages before. */
  add({ seq, storedAt }: StoredMessage): void {
    const index = this.#end++ % this.#seqs.length;
    this.#seqs[index] = seq;
    this.#times[index] = storedAt;
    if (this.#end - this.#start > this.#seqs.length) this.#start++;
  }

  /** True when this message was read and is remembered. */
  has({ seq, storedAt }: StoredMessage): boolean {
    const found = this.#find(seq);
    return this.#seqOf(found) === seq && this.#times[found % this.#times.length] === storedAt;
  }

  /** Number of messages from this sequence on. */
  countFrom(seq: number): number {
    return this.#end - this.#find(seq);
  }

  /** Forgets the messages above this sequence. */
  removeAbove(seq: number): void {
    this.#end = this.#find(seq + 1);
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
  }

  #seqOf(number: number): number {
    return number < this.#end ? (this.#seqs[number % this.#seqs.length] as number) : 0;
  }

  /** Returns the number of the first message whose sequence is `seq` or more. */
  #find(seq: number): number {
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#seqOf(middle) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
