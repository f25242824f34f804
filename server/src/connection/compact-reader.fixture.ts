/** For tests: a decoder of the compact encoding, written after PROTOCOL.md with Node's zlib. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { crc32, inflateRawSync } from "node:zlib";

export class CompactReader {
  /** Bytes by id; given to the next connection's reader. */
  readonly known: Map<string, Buffer>;
  /** How many envelopes used no base, the previous message, and a dictionary. */
  readonly count = { alone: 0, previous: 0, dictionary: 0, definitions: 0 };
  readonly #dictionaries = new Map<number, Buffer>();
  readonly #kept = new Map<number, Buffer>();

  constructor(known = new Map<string, Buffer>()) {
    this.known = known;
  }

  /** Returns the text of an envelope; undefined for a dictionary. */
  read(payload: Buffer): string | undefined {
    let at = 0;
    const number = () => {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = payload[at++] ?? assert.fail("the message is too short");
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    };
    const seq = number();
    if (seq === 0) {
      const key = number();
      const id = payload.toString("hex", at, at + 8);
      const rest = payload.subarray(at + 8);
      const bytes = rest.length === 0 ? this.known.get(id) : inflateRawSync(rest);
      assert.ok(bytes, `the client has named dictionary ${id}`);
      assert.equal(createHash("sha256").update(bytes).digest("hex").slice(0, 16), id);
      if (rest.length > 0) this.count.definitions++;
      this.known.set(id, bytes);
      this.#dictionaries.set(key, bytes);
      return undefined;
    }
    const check = payload.readUInt32BE(at);
    at += 4;
    const form = number();
    const offset = number();
    let dictionary: Buffer | undefined;
    if (form >> 1 === 1) dictionary = this.#kept.get(offset - number()) ?? assert.fail("unknown message");
    else if (form > 1) dictionary = this.#dictionaries.get(form >> 1) ?? assert.fail("unknown dictionary");
    this.count[form < 2 ? "alone" : form < 4 ? "previous" : "dictionary"]++;
    const text = inflateRawSync(payload.subarray(at), dictionary && { dictionary });
    const rest = Buffer.concat([Buffer.from(`"offset":${offset},`), text]);
    assert.equal((crc32(rest) + seq) % 2 ** 32, check, "the check");
    if (form & 1) this.#kept.set(offset, text);
    return `{"seq":${seq},${rest.toString()}`;
  }
}
