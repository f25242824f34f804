/** Before the load: can the gateways be reached from every source address, and what do they carry? */

import { setTimeout as sleep } from "node:timers/promises";
import { WS_PATH } from "@odin-ws/protocol";
import { Link } from "../client/link.ts";
import { tokenFor } from "../client/token.ts";
import type { Options } from "../settings/options.ts";
import type { Traffic } from "../traffic/plan.ts";

const WELCOME = 10_000; // 10 s for a gateway to greet
const ADMITTED = 20_000; // 20 s for one that has no place just now, as after the run before
const AGAIN = 500; // ms
const FIRST_MESSAGE = 15_000; // 15 s for the first message of a feed that the load test does not set
const OBSERVE = 3000; // 3 s of it

interface Visit {
  link: Link;
  /** Called with each message after the greeting. */
  onText: (text: string) => void;
}

/** What to do about it. */
function advice(reason: string, localAddress: string | undefined): string {
  if (reason.includes("ECONNREFUSED"))
    return "nothing listens there; start a gateway (npm start), or name another with --url or WS_URL";
  if (reason.includes("EADDRNOTAVAIL"))
    return `--source-addresses: ${localAddress ?? "the local address"} is none of this machine's, or has no free port`;
  if (/ENOTFOUND|EAI_AGAIN/.test(reason)) return "no such host";
  if (reason.startsWith("401")) return "it wants tokens; give JWT_SECRET, the one that it has";
  if (reason.startsWith("403")) return "it does not let this client in";
  if (/^(4|2|3)/.test(reason)) return `is it a gateway's address, with its path (${WS_PATH})?`;
  if (reason.startsWith("503") || reason.startsWith("429"))
    return `it takes nobody, tried for ${ADMITTED / 1000} s`;
  return "is the way to it open (address, port, firewall)?";
}

class Refused extends Error {}

function visit(url: URL, localAddress: string | undefined, compression: boolean): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const guest = { onText: (text: string) => greet(text) };
    const timer = setTimeout(() => {
      link.cut();
      reject(new Refused(`no greeting within ${WELCOME / 1000} s`));
    }, WELCOME);
    const link: Link = new Link(
      { url, path: `${url.pathname}${url.search}`, localAddress, compression },
      {
        text: (bytes, start, end) => guest.onText(bytes.toString("utf8", start, end)),
        ended: ({ reason }) => {
          clearTimeout(timer);
          reject(new Refused(reason));
        },
      },
    );
    function greet(text: string): void {
      clearTimeout(timer);
      if (!text.startsWith('{"type":"welcome"')) {
        link.cut();
        return reject(new Refused(`it greets with ${JSON.stringify(text.slice(0, 60))}`));
      }
      guest.onText = () => {};
      resolve(Object.assign(guest, { link }));
    }
  });
}

async function admitted(address: string, index: number, options: Options): Promise<Visit> {
  const { sources, compression, jwtSecret } = options;
  const localAddress = sources[index % Math.max(1, sources.length)];
  const url = new URL(address);
  if (jwtSecret !== undefined) url.searchParams.set("auth", tokenFor(jwtSecret, -1 - index));
  for (const deadline = performance.now() + ADMITTED; ; await sleep(AGAIN)) {
    try {
      return await visit(url, localAddress, compression);
    } catch (error) {
      const { message } = error as Error;
      if (/^(503|429)/.test(message) && performance.now() < deadline) continue;
      throw new Error(
        `the gateway at ${address} cannot be loaded: ${message}: ${advice(message, localAddress)}`,
      );
    }
  }
}

async function observe(visit: Visit): Promise<Traffic> {
  const counts = new Map<string, number>();
  const first = Promise.withResolvers<void>();
  visit.onText = (text) => {
    const [, token] = /"channel":"([^".]+)\./.exec(text.slice(0, 300)) ?? [];
    if (!text.startsWith('{"seq":') || token === undefined) return;
    counts.set(token, (counts.get(token) ?? 0) + 1);
    first.resolve();
  };
  visit.link.send({ type: "subscribe", channels: ["*.*"] });
  const silent = sleep(FIRST_MESSAGE, "silent" as const, { ref: false });
  if ((await Promise.race([first.promise, silent])) === "silent")
    throw new Error(
      `no message in ${FIRST_MESSAGE / 1000} s: nobody publishes; let the load test do it with --nats, or start a publisher`,
    );
  counts.clear();
  await sleep(OBSERVE);
  const seen = [...counts].toSorted(([, one], [, other]) => other - one);
  const total = seen.reduce((sum, [, count]) => sum + count, 0);
  return { tokens: seen.map(([token]) => token), rate: total / (OBSERVE / 1000) };
}

/**
 * Visits every gateway, from every source address once.
 *
 * @param feed whether to look at the messages as well
 * @throws Error that says which address, why and what to do
 */
export async function firstLook(options: Options, feed: boolean): Promise<Traffic | undefined> {
  const { urls, sources } = options;
  const count = Math.max(urls.length, sources.length);
  const all = await Promise.allSettled(
    Array.from({ length: count }, (_, index) =>
      admitted(urls[index % urls.length] as string, index, options),
    ),
  );
  const visits = all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  try {
    const failed = all.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const [visitor] = visits;
    return feed && visitor !== undefined ? await observe(visitor) : undefined;
  } finally {
    for (const { link } of visits) link.cut();
  }
}
