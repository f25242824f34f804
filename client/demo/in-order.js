// @ts-check
/**
 * Puts the envelopes of one socket into the order of their `seq`. What comes behind a gap waits for what is in it.
 *
 * @import { Envelope } from "@odin-ws/protocol"
 *
 * @typedef {object} Handler
 * @property {(envelope: Envelope) => void} pass  Called in order, without repetition.
 * @property {(from: number, to: number) => void} ask  A gap begins: these are to be sent again.
 * @property {(from: number, to: number) => void} repaired
 * @property {() => void} hopeless  It can't be repaired on this connection.
 */

/** Envelopes that wait behind a gap. */
const MAX_HELD = 2_000;

export class InOrder {
  /** The gap that was asked for. @type {{ from: number, to: number } | undefined} */ gap;
  #next = 1;
  /** @type {Map<number, Envelope>} */ #held = new Map();
  #handler;

  /** @param {Handler} handler */
  constructor(handler) {
    this.#handler = handler;
  }

  /** Envelopes of the gap that have not come yet. */
  get missing() {
    return this.gap === undefined ? 0 : this.gap.to - this.#next + 1;
  }

  /** @param {Envelope} envelope */
  take(envelope) {
    if (envelope.seq < this.#next) return;
    this.#held.set(envelope.seq, envelope);
    this.#passHeld();
    if (this.#held.size > MAX_HELD) this.#handler.hopeless();
    else if (this.gap === undefined) this.#look();
  }

  /** The gateway has sent everything up to `seq`. @param {number} seq */
  sent(seq) {
    if (this.gap === undefined && seq >= this.#next) this.#ask(seq);
  }

  /** The answer to what was asked for is complete. @param {number} from */
  answered(from) {
    if (this.gap?.from !== from) return;
    if (this.missing > 0) return this.#handler.hopeless();
    const { to } = this.gap;
    this.gap = undefined;
    this.#handler.repaired(from, to);
    this.#look();
  }

  #look() {
    if (this.#held.size > 0) this.#ask(Math.min(...this.#held.keys()) - 1);
  }

  /** @param {number} to */
  #ask(to) {
    this.gap = { from: this.#next, to };
    this.#handler.ask(this.#next, to);
  }

  #passHeld() {
    for (let envelope = this.#held.get(this.#next); envelope; envelope = this.#held.get(this.#next)) {
      this.#held.delete(this.#next++);
      this.#handler.pass(envelope);
    }
  }
}
