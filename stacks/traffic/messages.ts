/** How many messages a user gets, and how many bytes each has: as measured, as given, or from a load test. */

import { readFileSync } from "node:fs";

/** In the order of the tables: each one has fewer bytes than the one before. */
export const ENCODINGS = ["plain", "compressed", "compact"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** Names of the encodings in the gateway's metrics and in measured.json. */
const METRIC_NAME = { plain: "plain", compressed: "deflate", compact: "compact" } as const;

/** Bytes of a message: its frame, and with the headers of TCP and IP. */
export interface MessageBytes {
  frame: number;
  withHeaders: number;
}

export interface Messages {
  /** Messages a second to one user. */
  perSecond: number;
  /** Traffic of a connection apart from messages, bytes a second. */
  upkeepBytesPerSecond: number;
  /** An encoding that is missing was not measured. */
  bytes: Partial<Record<Encoding, MessageBytes>>;
  /** Where the numbers come from. */
  source: string;
}

/** The parts of measured.json that are used here. Encodings have the names of the gateway's metrics. */
interface Measured {
  command: string;
  messagesPerSecond: number;
  upkeepBytesPerSecond: number;
  bytes: Record<string, number | undefined>;
  withHeaders: Record<string, number | undefined>;
}

const MEASURED = new URL("./measured.json", import.meta.url);
/** Headers of a packet, and the largest packet, bytes. See server/measure-traffic.ts. */
const HEADERS = 52;
const PACKET = 1460;

/** The simulated market, as `npm run traffic` measured it. */
export function measuredMessages(): Messages {
  const measured = JSON.parse(readFileSync(MEASURED, "utf8")) as Measured;
  const bytes: Messages["bytes"] = {};
  for (const encoding of ENCODINGS) {
    const name = METRIC_NAME[encoding];
    const [frame, withHeaders] = [measured.bytes[name], measured.withHeaders[name]];
    if (frame !== undefined && withHeaders !== undefined) bytes[encoding] = { frame, withHeaders };
  }
  return {
    perSecond: measured.messagesPerSecond,
    upkeepBytesPerSecond: measured.upkeepBytesPerSecond,
    bytes,
    source: `measured with the simulated market, ${measured.command}`,
  };
}

/**
 * Messages of another size. The other encodings keep their measured ratio.
 *
 * @param frame mean bytes of a message in this encoding
 */
export function withFrameBytes(messages: Messages, encoding: Encoding, frame: number): Messages {
  const known = messages.bytes[encoding]?.frame;
  const bytes: Messages["bytes"] = {};
  for (const name of ENCODINGS) {
    const own = messages.bytes[name]?.frame;
    if (name === encoding) bytes[name] = sized(frame);
    else if (own !== undefined && known !== undefined) bytes[name] = sized((own / known) * frame);
  }
  return { ...messages, bytes };
}

const sized = (frame: number): MessageBytes => ({
  frame,
  withHeaders: frame + HEADERS * Math.ceil(frame / (PACKET - HEADERS)),
});

/** The parts of a load test's JSON report that are used here. */
interface LoadReport {
  command: { compression: boolean; compact?: boolean };
  deliveries: number;
  bytes: number;
  timeline: { open: number; deliveries: number }[];
}

/**
 * Messages as a load test measured them.
 *
 * @param text the JSON report of `npm run loadtest`
 * @throws Error when the text is not such a report, or the report has no deliveries
 */
export function messagesOfReport(text: string, path: string): Messages {
  const { command, deliveries, bytes, timeline } = parsedReport(text);
  // Seconds without deliveries are those in which the clients connect, or nothing is published.
  const busy = timeline.filter((point) => point.deliveries > 0 && point.open > 0);
  const userSeconds = busy.reduce((sum, { open }) => sum + open, 0);
  if (deliveries === 0 || userSeconds === 0) throw new Error("has no deliveries");
  const encoding = command.compact === true ? "compact" : command.compression ? "compressed" : "plain";
  const sized = withFrameBytes(measuredMessages(), encoding, bytes / deliveries);
  const perSecond = busy.reduce((sum, point) => sum + point.deliveries, 0) / userSeconds;
  return { ...sized, perSecond, source: `from the load test's report ${path}, measured ${encoding}` };
}

function parsedReport(text: string): LoadReport {
  try {
    const { command, deliveries, bytes, timeline } = JSON.parse(text) as Partial<LoadReport>;
    if (typeof deliveries === "number" && typeof bytes === "number" && command && Array.isArray(timeline))
      return { command, deliveries, bytes, timeline };
  } catch {
    // Reported below.
  }
  throw new Error("is not the JSON report of a load test");
}
