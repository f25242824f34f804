/** The table of what traffic costs, which `npm run preview` and `npm run limits` print. */

import { ENCODINGS, type MessageBytes, type Messages } from "./messages.ts";
import { forThousand, type Mix, type Traffic, trafficIn, trafficOf } from "./traffic.ts";

/** One line of the table. */
export interface TrafficRow {
  /** An encoding that all users have, or the mix. */
  name: string;
  /** Mean bytes of a message: undefined for the mix, and when it is unknown. */
  frame: number | undefined;
  withHeaders: number | undefined;
  traffic: Traffic;
  thousand: number | undefined;
  /** Share of the cost that this saves, compared with plain. */
  saves: number | undefined;
}

/** The lines: each encoding for all users, then the mix. */
export function trafficRows(messages: Messages, mix: Mix, users: number): TrafficRow[] {
  const plain = trafficIn("plain", messages, users).usd;
  const row = (name: string, traffic: Traffic, bytes?: MessageBytes): TrafficRow => ({
    name,
    frame: bytes?.frame,
    withHeaders: bytes?.withHeaders,
    traffic,
    thousand: forThousand(traffic),
    saves: plain === undefined || traffic.usd === undefined ? undefined : 1 - traffic.usd / plain,
  });
  return [
    ...ENCODINGS.map((name) => row(name, trafficIn(name, messages, users), messages.bytes[name])),
    row(mixText(mix), trafficOf(mix, messages, users)),
  ];
}

/** `60 % compact, 40 % compressed`. */
function mixText(mix: Mix): string {
  const parts = ENCODINGS.filter((name) => (mix[name] ?? 0) > 0);
  return `these users: ${parts.map((name) => `${mix[name]} % ${name}`).join(", ")}`;
}

export function trafficTable(messages: Messages, mix: Mix, users: number): string[] {
  const cells = trafficRows(messages, mix, users).map(
    ({ name, frame, withHeaders, traffic, thousand, saves }) => [
      name,
      name.includes(":") ? "" : number(frame),
      name.includes(":") ? "" : number(withHeaders),
      number(traffic.gib),
      number(traffic.usd),
      number(thousand, 2),
      saves === undefined ? "?" : `${Math.round(saves * 100)} %`,
    ],
  );
  const head = [
    "",
    "bytes a message",
    "with headers",
    "GiB a month",
    "$ a month",
    "$ for 1,000 users",
    "saves",
  ];
  const all = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  return [
    `Traffic to ${number(users)} users who are connected all month, ${Number(messages.perSecond.toFixed(2))} messages a second each (${messages.source})`,
    ...all.map((row) => `  ${line(row)}`.trimEnd()),
  ];
}

/** What is unknown is shown as unknown, and never as 0. */
function number(value: number | undefined, digits = 0): string {
  if (value === undefined) return "?";
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
