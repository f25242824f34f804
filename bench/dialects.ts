/** The message protocols of the measured servers, above the WebSocket frame. */

import { subjectOf, WS_PATH } from "@odin-ws/protocol";
import { MOMENT_DIGITS } from "./clock.ts";

/** Receives what a dialect has read. */
export interface Listener {
  /**
   * A published message has arrived.
   *
   * @param sentAt the moment of publishing, from the message
   * @param seq number of the message on this connection; 0 in a dialect without numbers
   */
  delivered(sentAt: number, seq: number): void;
  /** A heartbeat at the message level has arrived, and is already answered. */
  pinged(): void;
  send(text: string): void;
  failed(reason: string): void;
}

export interface Dialect {
  path: string;
  /** Returns the client's first message; empty when the server sends the first message. */
  firstMessage(channels: readonly string[]): string;
  /**
   * Returns the answer to a message that arrives before the subscription is confirmed. Returns READY when the
   * message confirms the subscription.
   */
  answer(text: string, channels: readonly string[]): string | typeof READY | undefined;
  /** Reads a message to a subscribed client. */
  read(bytes: Buffer, start: number, end: number, listener: Listener): void;
  /** True when one WebSocket message may contain several published messages, or none. */
  batches: boolean;
  /** Envelopes come in the compact encoding, as binary messages. `read` gets their text. */
  compact?: true;
}

export const READY = Symbol("ready");
export type DialectName = "odin" | "odin-compact" | "socketio" | "nats";

const ZERO = 0x30;
const excerpt = (bytes: Buffer, start: number, end: number): string =>
  JSON.stringify(bytes.toString("utf8", start, Math.min(end, start + 120)));

/** Reads the moment whose digits end at `end`. */
function momentBefore(bytes: Buffer, end: number): number {
  let value = 0;
  for (let at = end - MOMENT_DIGITS; at < end; at++) value = value * 10 + ((bytes[at] as number) - ZERO);
  return value;
}

const SEQ = Buffer.from('{"seq":');

const odin: Dialect = {
  path: WS_PATH,
  batches: false,
  firstMessage: (channels) => JSON.stringify({ type: "subscribe", channels }),
  answer: (text) => (text.startsWith('{"type":"subscription_ack"') ? READY : undefined),
  read(bytes, start, end, listener) {
    // Only an envelope starts with "seq"; every other message starts with "type".
    if (bytes[start + 2] !== SEQ[2]) {
      listener.failed(`unexpected message ${excerpt(bytes, start, end)}`);
      return;
    }
    let at = start + SEQ.length;
    let seq = 0;
    for (; bytes[at] !== 0x2c && at < end; at++) seq = seq * 10 + ((bytes[at] as number) - ZERO);
    listener.delivered(momentBefore(bytes, end - 2), seq); // before }}
  },
};

const socketio: Dialect = {
  path: "/socket.io/?EIO=4&transport=websocket",
  batches: false,
  firstMessage: () => "",
  answer(text, channels) {
    if (text.startsWith("0{")) return "40";
    if (text.startsWith("40{")) return `420${JSON.stringify(["subscribe", channels])}`;
    return text.startsWith("430[") ? READY : undefined;
  },
  read(bytes, start, end, listener) {
    if (end - start === 1 && bytes[start] === 0x32) {
      listener.send("3");
      listener.pinged();
    } else if (bytes[start + 1] === 0x32 && bytes[start + 2] === 0x5b) {
      listener.delivered(momentBefore(bytes, end - 3), 0); // before }}]
    } else listener.failed(`unexpected message ${excerpt(bytes, start, end)}`);
  },
};

const LF = 0x0a;

const nats: Dialect = {
  path: "/",
  batches: true,
  firstMessage(channels) {
    // A channel has the same subscription number on every connection, so that all clients get the same bytes.
    const number = (channel: string) => channel.replaceAll(/\D/g, "") || "99";
    const lines = channels.map((channel) => `SUB ${subjectOf(channel)} ${number(channel)}`);
    return ['CONNECT {"verbose":false,"pedantic":false,"protocol":1}', ...lines, "PING", ""].join("\r\n");
  },
  answer: (text) => (text.includes("PONG\r\n") ? READY : undefined),
  read(bytes, start, end, listener) {
    for (let at = start; at < end; ) {
      const line = bytes.indexOf(LF, at);
      if (line === -1 || line >= end) {
        listener.failed(`incomplete message ${excerpt(bytes, at, end)}`);
        return;
      }
      if (bytes[at] === 0x4d /* MSG */) {
        let size = 0;
        for (let digit = line - 2, unit = 1; bytes[digit] !== 0x20; digit--, unit *= 10) {
          size += ((bytes[digit] as number) - ZERO) * unit;
        }
        at = line + 1 + size + 2;
        if (at > end) {
          listener.failed(`incomplete message ${excerpt(bytes, line, end)}`);
          return;
        }
        listener.delivered(momentBefore(bytes, line + 1 + size - 1), 0); // before }
      } else {
        const word = bytes.toString("latin1", at, line - 1);
        if (word === "PING") {
          listener.send("PONG\r\n");
          listener.pinged();
        } else if (!word.startsWith("INFO")) listener.failed(`unexpected message ${JSON.stringify(word)}`);
        at = line + 1;
      }
    }
  },
};

const compact: Dialect = { ...odin, path: `${WS_PATH}?encoding=compact`, compact: true };

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  odin,
  "odin-compact": compact,
  socketio,
  nats,
};
