/**
 * The option `encoding` that reads envelopes in the compact encoding; PROTOCOL.md describes the encoding.
 * Only applications that use the option load this file.
 */

import { PREVIOUS_REACH } from "@odin-ws/protocol";
import { inflateSync } from "fflate";
import type { Environment, Socket } from "./types.ts";

/** Dictionaries that are kept. A gateway has at most 62. */
const MAX_KNOWN = 64;
const ID_BYTES = 8;
/** First byte of a message that defines a dictionary. */
const DEFINITION = 0;
/** Bases below the first dictionary's number. */
const ALONE = 0;
const PREVIOUS = 1;

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  return value;
});

function crc(bytes: Uint8Array, start: number): number {
  let value = start;
  for (let at = 0; at < bytes.length; at++)
    value = (CRC_TABLE[(value ^ (bytes[at] as number)) & 255] as number) ^ (value >>> 8);
  return value;
}

/** Largest message, bytes. NATS refuses messages above 1 MiB by default. */
const MAX_BYTES = 2 ** 24; // 16 MiB
/** fflate would allocate and clear 128 KiB for each message, which takes longer than the message itself. */
let scratch = new Uint8Array(65_536);

/** Returns a copy of the inflated bytes. */
function inflate(data: Uint8Array, dictionary: Uint8Array = new Uint8Array(0)): Uint8Array {
  for (;;) {
    const found = inflateSync(data, { out: scratch, dictionary });
    if (found.length < scratch.length) return found.slice();
    // Bytes that do not fit are cut off.
    if (scratch.length >= MAX_BYTES) throw 0;
    scratch = new Uint8Array(scratch.length * 2);
  }
}

const encoder = new TextEncoder();
const textDecoder = new TextDecoder();

/**
 * Lets every socket that this environment opens ask for the encoding. The client gets the texts of binary
 * messages; "" for a message that is damaged or that this connection cannot read, which ends the connection.
 * After such a message, and after a gateway that does not know the encoding, sockets no longer ask.
 */
export function compact(environment: Pick<Environment, "open">): void {
  const { open } = environment;
  const decoder = new Decoder();
  let asks = true;
  environment.open = (url) => {
    const ids = decoder.known;
    const query = `encoding=compact${ids.length > 0 ? `&dictionaries=${ids}` : ""}`;
    const inner = open(asks ? `${url}${url.includes("?") ? "&" : "?"}${query}` : url);
    const socket: Socket = {
      onmessage: null,
      onclose: null,
      onerror: null,
      send: (text) => inner.send(text),
      close: () => inner.close(),
    };
    let first = true;
    decoder.begin();
    inner.binaryType = "arraybuffer";
    inner.onmessage = ({ data }) => {
      const isText = typeof data === "string";
      // The first message is the welcome.
      if (first && !(isText && data.includes('"encoding":"compact"'))) asks = false;
      first = false;
      const text = isText ? data : decoder.decode(data as ArrayBuffer);
      if (text === "") asks = false;
      if (text !== undefined) socket.onmessage?.({ data: text });
    };
    inner.onclose = (event) => socket.onclose?.(event);
    inner.onerror = (event) => socket.onerror?.(event);
    return socket;
  };
}

export class Decoder {
  /** Dictionaries by id. They outlive a connection. */
  readonly #known = new Map<string, Uint8Array>();
  /** Dictionaries by their number on this connection. */
  #dictionaries = new Map<number, Uint8Array>();
  /** Texts by offset, which the next message of their channel may need. */
  #kept = new Map<number, Uint8Array>();

  /** Ids of the dictionaries that are kept. */
  get known(): string[] {
    return [...this.#known.keys()];
  }

  /** Begins a connection. */
  begin(): void {
    this.#dictionaries = new Map();
    this.#kept = new Map();
  }

  /** Returns the text of an envelope; undefined for a dictionary, and "" for a message that is damaged. */
  decode(data: ArrayBuffer | Uint8Array): string | undefined {
    try {
      return this.#decode(new Uint8Array(data));
    } catch {
      return "";
    }
  }

  #decode(message: Uint8Array): string | undefined {
    let at = 0;
    const number = () => {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = message[at++];
        if (byte === undefined || factor > Number.MAX_SAFE_INTEGER) throw 0;
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    };
    const seq = number();
    if (seq === DEFINITION) {
      const key = number();
      const rest = message.subarray(at + ID_BYTES);
      const id = Array.from(message.subarray(at, at + ID_BYTES), (byte) =>
        byte.toString(16).padStart(2, "0"),
      );
      this.#define(key, id.join(""), rest);
      return undefined;
    }
    const check = new DataView(message.buffer, message.byteOffset + at).getUint32(0);
    at += 4;
    const form = number();
    const base = form >> 1;
    const offset = number();
    const previous = base === PREVIOUS ? offset - number() : undefined;
    const dictionary = previous === undefined ? this.#dictionaries.get(base) : this.#kept.get(previous);
    if (base !== ALONE && !dictionary) throw 0;
    const text = inflate(message.subarray(at), dictionary);
    const head = `"offset":${offset},`;
    if ((~crc(text, crc(encoder.encode(head), -1)) + seq) >>> 0 !== check) throw 0;
    // The base is not needed again: the channel's next message can only have this message as base.
    if (previous !== undefined) this.#kept.delete(previous);
    if (form & 1) this.#keep(offset, text);
    return `{"seq":${seq},${head}${textDecoder.decode(text)}`;
  }

  #keep(offset: number, text: Uint8Array): void {
    this.#kept.set(offset, text);
    for (const oldest of this.#kept.keys()) {
      if (oldest >= offset - PREVIOUS_REACH) break;
      this.#kept.delete(oldest);
    }
  }

  #define(key: number, id: string, rest: Uint8Array): void {
    const bytes = rest.length > 0 ? inflate(rest) : this.#known.get(id);
    if (!bytes) throw 0;
    this.#dictionaries.set(key, bytes);
    // The dictionaries that were defined last stay.
    this.#known.delete(id);
    this.#known.set(id, bytes);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN) break;
      this.#known.delete(oldest);
    }
  }
}
