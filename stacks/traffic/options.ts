/** The options on traffic that `npm run preview` and `npm run limits` share. */

import { readFileSync } from "node:fs";
import { option } from "@odin-ws/settings/command-line";
import { decimal, nonEmpty, text, whole } from "@odin-ws/settings/values";
import {
  ENCODINGS,
  type Encoding,
  type Messages,
  measuredMessages,
  messagesOfReport,
  withFrameBytes,
} from "./messages.ts";
import type { Mix } from "./traffic.ts";

export interface TrafficOptions {
  /** Users who are connected at once, on average over the month. */
  users: number | undefined;
  messages: Messages;
  /** Undefined: the encoding that the stack's gateways offer to every browser. */
  mix: Mix | undefined;
}

export const trafficOptions = {
  users: option(
    "N",
    whole(1, 1_000_000_000)
      .optional()
      .describe("users who are connected at once, on average over the month, for the cost of traffic"),
  ),
  "messages-per-second": option(
    "N",
    decimal(0.001, 100_000)
      .optional()
      .describe("messages a second to one user (as measured: npm run traffic)"),
  ),
  "message-bytes": option(
    "N",
    whole(1, 1_000_000)
      .optional()
      .describe("mean bytes of a message as plain JSON; other encodings keep their measured ratio"),
  ),
  "load-report": option(
    "FILE",
    nonEmpty().optional().describe("takes messages and bytes from the JSON report of a load test"),
  ),
  encodings: option(
    "LIST",
    text(
      isMix,
      `must be ENCODING=PERCENT, or several separated by commas, of ${ENCODINGS.join(", ")}, together 100`,
    )
      .transform(mixOf)
      .optional()
      .describe(
        "part of the users with each encoding, for example compact=60,compressed=40 (compressed=100)",
      ),
  ),
};

/** The values of these options as they are read. */
export interface ReadTraffic {
  users?: number | undefined;
  "messages-per-second"?: number | undefined;
  "message-bytes"?: number | undefined;
  "load-report"?: string | undefined;
  encodings?: Mix | undefined;
}

const pairs = (list: string): [string, number][] =>
  list.split(",").map((item) => {
    const [, name = "", percent = ""] = /^\s*(\w+)=(\d+(?:\.\d+)?)\s*$/.exec(item) ?? [];
    return [name, percent === "" ? Number.NaN : Number(percent)];
  });

function isMix(list: string): boolean {
  const given = pairs(list);
  const names = new Set(given.map(([name]) => name));
  const known = given.every(([name]) => (ENCODINGS as readonly string[]).includes(name));
  const sum = given.reduce((total, [, percent]) => total + percent, 0);
  return known && names.size === given.length && Math.abs(sum - 100) < 0.01;
}

function mixOf(list: string): Mix {
  return isMix(list) ? (Object.fromEntries(pairs(list)) as Record<Encoding, number>) : {};
}

/** Reads the report, if there is one, and puts what is wrong with it into `mistakes`. */
export function trafficFrom(read: ReadTraffic, mistakes: string[] = []): TrafficOptions {
  const { users, encodings: mix, "load-report": report } = read;
  const { "messages-per-second": perSecond, "message-bytes": bytes } = read;
  let messages = (report === undefined ? undefined : readReport(report, mistakes)) ?? measuredMessages();
  if (bytes !== undefined) messages = withFrameBytes(messages, "plain", bytes);
  if (perSecond !== undefined) messages = { ...messages, perSecond };
  if (bytes !== undefined || perSecond !== undefined)
    messages = { ...messages, source: `given on the command line; the rest ${messages.source}` };
  return { users, messages, mix };
}

function readReport(path: string, mistakes: string[]): Messages | undefined {
  try {
    return messagesOfReport(readFileSync(path, "utf8"), path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    mistakes.push(`--load-report ${path}: ${code === "ENOENT" ? "no such file" : message}`);
    return undefined;
  }
}
