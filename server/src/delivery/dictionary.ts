/**
 * Dictionaries of the compact encoding: for each event, texts that its messages resemble. A gateway defines a
 * dictionary on a connection before the first message that needs it.
 */

import { createHash } from "node:crypto";
import type { DictionaryBytes } from "../source/source.ts";
import { deflate } from "./deflate.ts";
import { binaryFrame } from "./frame.ts";
import { varint } from "./varint.ts";

/** The number of the first dictionary: see `form` in PROTOCOL.md. */
const FIRST_NUMBER = 2;
/** With more, the form would take two bytes. Events beyond this number have no dictionary. */
const MAX_DICTIONARIES = 62;
const ID_BYTES = 8;

export class Dictionary {
  readonly bytes: Uint8Array;
  /** Names the dictionary in frames. A later dictionary of the event has the same number. */
  readonly number: number;
  /** First 8 bytes of the SHA-256 of the bytes, as hex: the same on every gateway. */
  readonly id: string;
  /** The frame that gives the number its meaning, with the bytes. */
  readonly definition: Buffer;
  /** The same for a client that has the bytes. */
  readonly reference: Buffer;

  constructor(bytes: Uint8Array, number: number) {
    this.bytes = bytes;
    this.number = number;
    const id = createHash("sha256").update(bytes).digest().subarray(0, ID_BYTES);
    this.id = id.toString("hex");
    const head = [Buffer.of(0), varint(number), id];
    this.reference = binaryFrame(Buffer.concat(head));
    this.definition = binaryFrame(Buffer.concat([...head, deflate(bytes, undefined)]));
  }
}

/** The current dictionary of each event. */
export class Dictionaries {
  readonly #current = new Map<string, Dictionary>();
  /** Rises with every change. */
  version = 0;

  of(event: string): Dictionary | undefined {
    return this.#current.get(event);
  }

  get all(): Iterable<Dictionary> {
    return this.#current.values();
  }

  /** Replaces the dictionary of an event. */
  set({ event, bytes }: DictionaryBytes): void {
    const number = this.#current.get(event)?.number ?? FIRST_NUMBER + this.#current.size;
    if (number >= FIRST_NUMBER + MAX_DICTIONARIES) return;
    this.#current.set(event, new Dictionary(bytes, number));
    this.version++;
  }
}
