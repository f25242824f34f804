/** What the traffic to clients costs, by encoding. */

import { type Cost, HOURS_A_MONTH, monthly } from "@odin-ws/infra";
import { ENCODINGS, type Encoding, type Messages } from "./messages.ts";

const SECONDS_A_MONTH = HOURS_A_MONTH * 3600;
const GIB = 2 ** 30;

/** Percent of the users by encoding; together 100. */
export type Mix = Partial<Record<Encoding, number>>;

/** Traffic of a number of users who are connected all month. */
export interface Traffic {
  users: number;
  /** GiB a month; undefined when the bytes of a message are unknown. */
  gib: number | undefined;
  /** US dollars a month; undefined when the traffic or a price is unknown. */
  usd: number | undefined;
  costs: Cost[];
}

/** Traffic of users who all have the same encoding. */
export function trafficIn(encoding: Encoding, messages: Messages, users: number): Traffic {
  return trafficOf({ [encoding]: 100 }, messages, users);
}

/** Traffic of users with several encodings. */
export function trafficOf(mix: Mix, messages: Messages, users: number): Traffic {
  let bytesPerSecond: number | undefined = messages.upkeepBytesPerSecond;
  for (const encoding of ENCODINGS) {
    const percent = mix[encoding] ?? 0;
    if (percent === 0) continue;
    const { withHeaders } = messages.bytes[encoding] ?? {};
    if (withHeaders === undefined) bytesPerSecond = undefined;
    else if (bytesPerSecond !== undefined)
      bytesPerSecond += (percent / 100) * messages.perSecond * withHeaders;
  }
  if (bytesPerSecond === undefined) {
    const names = ENCODINGS.filter((name) => (mix[name] ?? 0) > 0 && messages.bytes[name] === undefined);
    const note = `no price: the bytes of a message are unknown for ${names.join(", ")}`;
    const unknown = { item: "traffic to the internet", usd: undefined, prices: [], note };
    return { users, gib: undefined, usd: undefined, costs: [unknown] };
  }
  const gib = (bytesPerSecond * SECONDS_A_MONTH * users) / GIB;
  const costs = monthly.egress(Math.round(gib));
  return { users, gib, usd: sumOf(costs), costs };
}

/** Sum of costs; undefined when one of them has no price. */
function sumOf(costs: readonly Cost[]): number | undefined {
  let sum = 0;
  for (const { usd } of costs) {
    if (usd === undefined) return undefined;
    sum += usd;
  }
  return sum;
}

/** The part of the cost for 1,000 users. */
export const forThousand = ({ usd, users }: Traffic): number | undefined =>
  usd === undefined || users === 0 ? undefined : (usd / users) * 1000;
