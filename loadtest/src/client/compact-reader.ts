/**
 * Reads the compact encoding of PROTOCOL.md. All clients of a process get the same compressed bytes, so each
 * message is decompressed once for each of its forms; every other copy is compared with the first one, byte
 * for byte. What a client must have to read a message is checked for each client.
 */

import { createHash } from "node:crypto";
import { crc32, inflateRawSync } from "node:zlib";
import { PREVIOUS_REACH } from "@odin-ws/protocol";

/** Offsets whose messages stay in the cache. */
const KEPT_OFFSETS = PREVIOUS_REACH + 4096;
const ID_BYTES = 8;
const SEQ = Buffer.from('{"seq":');
const MAX_DIGITS = 16;

/** What a message is compressed with: a dictionary, or an earlier message. */
interface Base {
  /** Different for each dictionary and each form of a message. */
  key: number;
  /** A dictionary's bytes, or the envelope after its offset. */
  text: Buffer;
}

/** One form of a message. */
interface Form extends Base {
  /** The compressed message without `seq` and check. */
  packed: Buffer;
  /** Key of the base; 0 for none. */
  baseKey: number;
  /** The envelope after `{"seq":N,`. */
  rest: Buffer;
  crc: number;
}

/** Shared by all clients of a process. */
export class CompactCache {
  readonly #dictionaries = new Map<string, Base>();
  #lastKey = 0;
  readonly #forms = new Map<number, Form[]>();
  /** The text of the last envelope; reused for the next one. */
  scratch = Buffer.allocUnsafeSlow(65_536);

  /** @throws Error when the bytes do not have this id */
  dictionary(id: string, packed: Buffer): Base {
    const known = this.#dictionaries.get(id);
    if (known !== undefined) return known;
    const text = inflateRawSync(packed);
    const hash = createHash("sha256")
      .update(text)
      .digest("hex")
      .slice(0, 2 * ID_BYTES);
    if (hash !== id) throw new Error(`dictionary ${id} has the bytes of ${hash}`);
    const dictionary = { key: ++this.#lastKey, text };
    this.#dictionaries.set(id, dictionary);
    return dictionary;
  }

  form(offset: number, packed: Buffer, start: number, base: Base | undefined): Form {
    const baseKey = base?.key ?? 0;
    let forms = this.#forms.get(offset);
    const found = forms?.find((form) => form.baseKey === baseKey && form.packed.equals(packed));
    if (found !== undefined) return found;
    const text = inflateRawSync(packed.subarray(start), base && { dictionary: base.text });
    const rest = Buffer.concat([Buffer.from(`"offset":${offset},`), text]);
    const key = ++this.#lastKey;
    const form = { key, text, packed: Buffer.from(packed), baseKey, rest, crc: crc32(rest) };
    if (forms === undefined) {
      forms = [];
      this.#forms.set(offset, forms);
      this.#forget();
    }
    forms.push(form);
    return form;
  }

  #forget(): void {
    if (this.#forms.size <= KEPT_OFFSETS) return;
    const [oldest] = this.#forms.keys();
    if (oldest !== undefined) this.#forms.delete(oldest);
  }
}

/** The compact messages of one connection. */
export class CompactReader {
  readonly #cache: CompactCache;
  readonly #dictionaries = new Map<number, Base>();
  /** Messages that this client has and must keep, by offset. */
  readonly #kept = new Map<number, Form>();
  #at = 0;

  constructor(cache: CompactCache) {
    this.#cache = cache;
  }

  /**
   * Returns the text of an envelope; undefined for a dictionary. The text is valid until the next call of any
   * reader with the same cache.
   *
   * @throws Error when the message is damaged, or needs something that this client was not sent
   */
  read(message: Buffer): Buffer | undefined {
    this.#at = 0;
    const seq = this.#number(message);
    if (seq === 0) {
      this.#define(message);
      return undefined;
    }
    const check = message.readUInt32BE(this.#at);
    this.#at += 4;
    const shared = this.#at;
    const form = this.#number(message);
    const offset = this.#number(message);
    const base = this.#base(form >> 1, offset, message);
    const found = this.#cache.form(offset, message.subarray(shared), this.#at - shared, base);
    if ((found.crc + seq) % 2 ** 32 !== check) throw new Error(`the check of seq ${seq} is wrong`);
    if (form & 1) this.#keep(offset, found);
    return this.#write(seq, found.rest);
  }

  #number(message: Buffer): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[this.#at++];
      if (byte === undefined) throw new Error("a compact message is too short");
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  #define(message: Buffer): void {
    const number = this.#number(message);
    const start = this.#at + ID_BYTES;
    const id = message.toString("hex", this.#at, start);
    this.#dictionaries.set(number, this.#cache.dictionary(id, message.subarray(start)));
  }

  #base(number: number, offset: number, message: Buffer): Base | undefined {
    if (number === 0) return undefined;
    const previous = number === 1 ? offset - this.#number(message) : 0;
    const base = number === 1 ? this.#kept.get(previous) : this.#dictionaries.get(number);
    if (base !== undefined) {
      this.#kept.delete(previous);
      return base;
    }
    const what = number === 1 ? `the message at offset ${previous}` : `dictionary ${number}`;
    throw new Error(`offset ${offset} needs ${what}, which this client does not have`);
  }

  #keep(offset: number, form: Form): void {
    this.#kept.set(offset, form);
    for (const oldest of this.#kept.keys()) {
      if (oldest >= offset - PREVIOUS_REACH) return;
      this.#kept.delete(oldest);
    }
  }

  #write(seq: number, rest: Buffer): Buffer {
    const size = SEQ.length + MAX_DIGITS + 1 + rest.length;
    if (this.#cache.scratch.length < size) this.#cache.scratch = Buffer.allocUnsafeSlow(size);
    const { scratch } = this.#cache;
    SEQ.copy(scratch);
    const end = SEQ.length + scratch.write(`${seq},`, SEQ.length, "latin1");
    rest.copy(scratch, end);
    return scratch.subarray(0, end + rest.length);
  }
}
