/**
 * `npm run traffic`: measures what a client of the simulated market receives: messages a second, and the
 * bytes of a message by event and encoding. Writes the result to `stacks/traffic/measured.json`, from which
 * `npm run preview` and `npm run limits` compute the cost of traffic. The same sources give the same bytes.
 */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HEARTBEAT_SECONDS } from "@odin-ws/protocol";
import { Market } from "@odin-ws/publisher/market";
import { CompactEncoder } from "./src/delivery/compact-encoder.ts";
import { ENCODINGS, type Encoding, textFrame } from "./src/delivery/frame.ts";
import { Message } from "./src/delivery/message.ts";
import { DictionaryMaker } from "./src/process/dictionary-maker.ts";
import { SETTINGS } from "./src/settings.ts";

/** Duration of the simulated market. */
const SECONDS = 1800; // 30 min
/** Messages a second of the market, without the trending list: the default of SIMULATOR_RATE. */
const RATE = SETTINGS.SIMULATOR_RATE.parse(undefined);
const TRENDING_SECONDS = 5;
/** Share of the clients that receive a message: 1,210 of 10,000, as in the load test and the bench. */
const AUDIENCE = 0.121;
/** Any moment: only its number of digits matters. */
const START = Date.UTC(2026, 0, 1);
/** The market before these messages makes the dictionaries, as a running gateway has them. */
const WARM_UP_SECONDS = 60;
const DEFLATE_WINDOW_BITS = 15; // what browsers negotiate
const CLIENT_HEARTBEAT_SECONDS = 10; // client/src/pulse.ts

/** Largest IP packet on Google Cloud, bytes. */
const PACKET_BYTES = 1460;
/** IPv4, TCP and the time stamps of TCP. `npm run bench` measures the same on an interface. */
const HEADER_BYTES = 20 + 20 + 12;

/** Bytes of a frame with the headers of its packets. */
const withHeaders = (bytes: number): number =>
  bytes + HEADER_BYTES * Math.ceil(bytes / (PACKET_BYTES - HEADER_BYTES));

type ByEncoding = Record<Encoding, number>;
const zero = (): ByEncoding => ({ plain: 0, deflate: 0, compact: 0 });

interface Sums {
  count: number;
  bytes: ByEncoding;
  withHeaders: ByEncoding;
}

export interface MeasuredTraffic {
  /** What wrote this file. */
  command: string;
  /** Messages a second to one client. */
  messagesPerSecond: number;
  /** Bytes a second to a client apart from messages: answers to heartbeats, and pings. With headers. */
  upkeepBytesPerSecond: number;
  /** Means of a message by encoding: bytes of its frame, and with the headers of TCP and IP. */
  bytes: ByEncoding;
  withHeaders: ByEncoding;
  /** The same by event. `share`: of all messages. */
  events: Record<string, { share: number; bytes: ByEncoding; withHeaders: ByEncoding }>;
}

/** Simulates the market and encodes each message in every encoding. */
export function measureTraffic(seconds = SECONDS): MeasuredTraffic {
  const market = new Market();
  const previous = SETTINGS.WS_COMPACT_PREVIOUS.parse(undefined);
  const encoder = new CompactEncoder(previous);
  let now = START;
  const maker = new DictionaryMaker({
    previous,
    offer(dictionary) {
      maker.set(dictionary);
      encoder.dictionaries.set(dictionary);
    },
    now: () => now,
  });
  const events = new Map<string, Sums>();
  let offset = 0;
  let seq = 0;
  const encode = (subject: string, data: object, counted: boolean) => {
    const body = Buffer.from(JSON.stringify(data));
    const message = Message.from({ subject, offset: ++offset, ts: now, body });
    if (message === undefined) throw new Error(`${subject} is not a subject of the stream`);
    maker.take(message.event, message.compactText);
    encoder.live(message);
    if (!counted) return;
    seq += AUDIENCE;
    const sums = events.get(message.event) ?? { count: 0, bytes: zero(), withHeaders: zero() };
    events.set(message.event, sums);
    sums.count++;
    const frames = {
      plain: message.frame(0),
      deflate: message.frame(DEFLATE_WINDOW_BITS),
      compact: encoder.frame(message, 0),
    };
    for (const encoding of ENCODINGS) {
      const bytes = frames[encoding].bytes(Math.ceil(seq));
      sums.bytes[encoding] += bytes;
      sums.withHeaders[encoding] += withHeaders(bytes);
    }
  };
  for (let second = -WARM_UP_SECONDS; second < seconds; second++) {
    for (let i = 0; i < RATE; i++) {
      now = START + Math.floor((second + WARM_UP_SECONDS + i / RATE) * 1000);
      const { subject, data } = market.next(now);
      encode(subject, data, second >= 0);
    }
    if (second % TRENDING_SECONDS !== 0) continue;
    const { subject, data } = market.trending(now);
    encode(subject, data, second >= 0);
  }
  return summary(events, seconds);
}

function summary(events: ReadonlyMap<string, Sums>, seconds: number): MeasuredTraffic {
  const all: Sums = { count: 0, bytes: zero(), withHeaders: zero() };
  for (const { count, bytes, withHeaders } of events.values()) {
    all.count += count;
    for (const encoding of ENCODINGS) {
      all.bytes[encoding] += bytes[encoding];
      all.withHeaders[encoding] += withHeaders[encoding];
    }
  }
  const means = ({ count, ...sums }: Sums) => {
    const mean = (of: ByEncoding) =>
      Object.fromEntries(ENCODINGS.map((name) => [name, rounded(of[name] / count, 1)])) as ByEncoding;
    return { bytes: mean(sums.bytes), withHeaders: mean(sums.withHeaders) };
  };
  const sorted = [...events].sort(([, a], [, b]) => b.count - a.count);
  return {
    command: "npm run traffic",
    messagesPerSecond: rounded((all.count / seconds) * AUDIENCE, 3),
    upkeepBytesPerSecond: rounded(upkeep(), 2),
    ...means(all),
    events: Object.fromEntries(
      sorted.map(([event, sums]) => [event, { share: rounded(sums.count / all.count, 4), ...means(sums) }]),
    ),
  };
}

function upkeep(): number {
  const answer = textFrame(
    JSON.stringify({ type: "heartbeat_ack", ts: START, seq: 1000, offset: 100_000_000 }),
  );
  const ping = 2;
  return withHeaders(answer.length) / CLIENT_HEARTBEAT_SECONDS + withHeaders(ping) / HEARTBEAT_SECONDS;
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

if (import.meta.main) {
  const file = fileURLToPath(new URL("../stacks/traffic/measured.json", import.meta.url));
  writeFileSync(file, `${JSON.stringify(measureTraffic(), null, 2)}\n`);
}
