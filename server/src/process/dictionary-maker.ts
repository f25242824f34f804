/**
 * Makes the dictionaries of the compact encoding from the messages of the stream: one for each event, from
 * its last messages. Measures now and then what a new dictionary would save, and replaces a dictionary that
 * has become bad. Uses no clock but the given one, and no stream.
 */

import type { CompactText } from "../delivery/compact-frame.ts";
import { deflate } from "../delivery/deflate.ts";
import type { DictionaryBytes } from "../source/source.ts";

/** Messages of an event from which its dictionary is made. More would save less than 2 % of the bytes. */
const SAMPLES = 16;
/**
 * With fewer samples that fit, a dictionary would not be worth its bytes, when most messages of the event are
 * compressed with the previous message of their channel.
 */
const MIN_SAMPLES = 4;
/** Largest sample that makes a dictionary alone. zlib does not look back further. */
const MAX_SAMPLE_BYTES = 32_000;
/**
 * Bytes of a dictionary. A client gets each dictionary once; compressed it has about a third of these bytes.
 */
const MAX_BYTES = 8192;
/** One of this many messages of an event is compressed with the current and with a new dictionary. */
const MEASURED_EVERY = 32;
/** Measured messages from which a result is drawn. */
const MEASURED = 16;
/**
 * A new dictionary must save this share of the bytes and this many bytes a message, because all clients must
 * get it.
 */
const MIN_SAVING = 0.1;
const MIN_SAVED_BYTES = 4;
/** Shortest time between two dictionaries of an event. */
const MIN_AGE_MS = 300_000; // 5 min
/** An offer that nobody has accepted in this time is made again. */
const OFFER_MS = 10_000; // 10 s
const MAX_EVENTS = 62;

interface State {
  samples: Uint8Array[];
  current: Uint8Array | undefined;
  currentSince: number;
  offeredAt: number;
  /** Messages since the last measurement. */
  passed: number;
  measured: number;
  currentBytes: number;
  newBytes: number;
}

export interface DictionaryMakerOptions {
  /** Events whose messages are compressed with the previous message of their channel. Default: none. */
  previous?: readonly string[];
  /** Gets a new dictionary. The dictionary is in use only after `set`. */
  offer: (dictionary: DictionaryBytes) => void;
  /** Milliseconds of a clock that is never set. */
  now: () => number;
}

export class DictionaryMaker {
  readonly #options: DictionaryMakerOptions;
  readonly #events = new Map<string, State>();

  constructor(options: DictionaryMakerOptions) {
    this.#options = options;
  }

  /** Takes note of a message of the stream. */
  take(event: string, { text }: CompactText): void {
    const state = this.#stateOf(event);
    if (state === undefined) return;
    if (this.#isDue(event, state, text)) this.#offer(event, state);
    state.samples.push(text);
    if (state.samples.length > SAMPLES) state.samples.shift();
  }

  /** From now on this dictionary is in use. */
  set({ event, bytes }: DictionaryBytes): void {
    const state = this.#stateOf(event);
    if (state === undefined) return;
    Object.assign(state, { current: bytes, currentSince: this.#options.now(), offeredAt: -OFFER_MS });
    Object.assign(state, { passed: 0, measured: 0, currentBytes: 0, newBytes: 0 });
  }

  #stateOf(event: string): State | undefined {
    let state = this.#events.get(event);
    if (state !== undefined || this.#events.size >= MAX_EVENTS) return state;
    state = {
      samples: [],
      current: undefined,
      currentSince: 0,
      offeredAt: -OFFER_MS,
      passed: 0,
      measured: 0,
      currentBytes: 0,
      newBytes: 0,
    };
    this.#events.set(event, state);
    return state;
  }

  /** True when the samples make a better dictionary than the current one. */
  #isDue(event: string, state: State, text: Uint8Array): boolean {
    const { samples, current } = state;
    const now = this.#options.now();
    if (now - state.offeredAt < OFFER_MS) return false;
    if (samples.length < SAMPLES) return false;
    if (current === undefined) return true;
    if (++state.passed < MEASURED_EVERY) return false;
    state.passed = 0;
    const fresh = this.#dictionaryOf(event, samples);
    if (fresh === undefined) return false;
    state.measured++;
    state.currentBytes += deflate(text, current).length;
    state.newBytes += deflate(text, fresh).length;
    if (state.measured < MEASURED) return false;
    const saved = state.currentBytes - state.newBytes;
    const bad = saved >= Math.max(state.currentBytes * MIN_SAVING, MEASURED * MIN_SAVED_BYTES);
    state.measured = state.currentBytes = state.newBytes = 0;
    return bad && now - state.currentSince >= MIN_AGE_MS;
  }

  #offer(event: string, state: State): void {
    const bytes = this.#dictionaryOf(event, state.samples);
    state.offeredAt = this.#options.now();
    if (bytes !== undefined) this.#options.offer({ event, bytes });
  }

  /**
   * Returns the last samples that fit, the last one at the end, where it costs the fewest bits to refer to
   * it. Undefined when the samples are too large for a dictionary.
   */
  #dictionaryOf(event: string, samples: readonly Uint8Array[]): Uint8Array | undefined {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    for (const sample of samples.toReversed()) {
      bytes += sample.length;
      if (bytes > MAX_BYTES) break;
      taken.unshift(sample);
    }
    if (taken.length >= MIN_SAMPLES) return Buffer.concat(taken);
    const last = samples.at(-1);
    if (this.#options.previous?.includes(event) || last === undefined || last.length > MAX_SAMPLE_BYTES)
      return undefined;
    return taken.length > 0 ? Buffer.concat(taken) : Buffer.from(last);
  }
}
