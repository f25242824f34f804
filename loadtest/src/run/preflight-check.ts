/**
 * Checks before the load that every gateway can be reached from every source address, and observes the
 * messages.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { WS_PATH } from "@odin-ws/protocol";
import { tokenFor } from "../client/token.ts";
import { WsConnection } from "../client/ws-connection.ts";
import type { Options } from "../settings/options.ts";
import type { Traffic } from "../traffic/plan.ts";

const WELCOME_TIMEOUT_MS = 10_000; // 10 s
const ADMISSION_TIMEOUT_MS = 20_000; // 20 s, because a gateway may still be full from the run before
const RETRY_MS = 500;
const FIRST_MESSAGE_TIMEOUT_MS = 15_000; // 15 s
const OBSERVATION_MS = 3000; // 3 s

/** A connection that the gateway has welcomed. */
interface Probe {
  connection: WsConnection;
  /** Called with each message after the welcome. */
  onText: (text: string) => void;
}

/** Returns the likely cause of a failed connection and what to do. */
function advice(reason: string, localAddress: string | undefined): string {
  if (reason.includes("ECONNREFUSED"))
    return "nothing listens at this address: start a gateway (npm start), or give the right address with --url or WS_URL";
  if (reason.includes("EADDRNOTAVAIL"))
    return `${localAddress ?? "the local address"} (--source-addresses) is not an address of this machine, or has no free port`;
  if (/ENOTFOUND|EAI_AGAIN/.test(reason)) return "the host name does not exist";
  if (reason.startsWith("401"))
    return "the gateway requires tokens: set JWT_SECRET to the gateway's secret, and JWT_ISSUER and JWT_AUDIENCE if the gateway has these settings";
  if (reason.startsWith("403")) return "the gateway does not admit this client";
  if (/^(4|2|3)/.test(reason))
    return `check that the address belongs to a gateway and has the right path (${WS_PATH})`;
  if (reason.startsWith("503") || reason.startsWith("429"))
    return `the gateway admitted no client for ${ADMISSION_TIMEOUT_MS / 1000} s`;
  return "check the address, the port and the firewall";
}

function connect(url: URL, localAddress: string | undefined, compression: boolean): Promise<Probe> {
  return new Promise((resolve, reject) => {
    const probe = { onText: (text: string) => onWelcome(text) };
    const timer = setTimeout(() => {
      connection.abort();
      reject(new Error(`no welcome message within ${WELCOME_TIMEOUT_MS / 1000} s`));
    }, WELCOME_TIMEOUT_MS);
    const connection: WsConnection = new WsConnection(
      { url, path: `${url.pathname}${url.search}`, localAddress, compression },
      {
        text: (bytes, start, end) => probe.onText(bytes.toString("utf8", start, end)),
        ended: ({ reason }) => {
          clearTimeout(timer);
          reject(new Error(reason));
        },
      },
    );
    function onWelcome(text: string): void {
      clearTimeout(timer);
      if (!text.startsWith('{"type":"welcome"')) {
        connection.abort();
        return reject(
          new Error(`the first message is not a welcome, but ${JSON.stringify(text.slice(0, 60))}`),
        );
      }
      probe.onText = () => {};
      resolve(Object.assign(probe, { connection }));
    }
  });
}

/** Connects, and retries while the gateway refuses clients with 503 or 429. */
async function connectWithRetries(address: string, index: number, options: Options): Promise<Probe> {
  const { sources, compression, tokens } = options;
  const localAddress = sources[index % Math.max(1, sources.length)];
  const url = new URL(address);
  if (tokens !== undefined) url.searchParams.set("auth", tokenFor(tokens, -1 - index));
  for (const deadline = performance.now() + ADMISSION_TIMEOUT_MS; ; await sleep(RETRY_MS)) {
    try {
      return await connect(url, localAddress, compression);
    } catch (error) {
      const { message } = error as Error;
      if (/^(503|429)/.test(message) && performance.now() < deadline) continue;
      throw new Error(
        `cannot connect to the gateway at ${address}: ${message}: ${advice(message, localAddress)}`,
      );
    }
  }
}

/** Counts the messages of a few seconds. */
async function observe(probe: Probe): Promise<Traffic> {
  const counts = new Map<string, number>();
  const first = Promise.withResolvers<void>();
  probe.onText = (text) => {
    const [, token] = /"channel":"([^".]+)\./.exec(text.slice(0, 300)) ?? [];
    if (!text.startsWith('{"seq":') || token === undefined) return;
    counts.set(token, (counts.get(token) ?? 0) + 1);
    first.resolve();
  };
  probe.connection.send({ type: "subscribe", channels: ["*.*"] });
  const silent = sleep(FIRST_MESSAGE_TIMEOUT_MS, "silent" as const, { ref: false });
  if ((await Promise.race([first.promise, silent])) === "silent")
    throw new Error(
      `no message within ${FIRST_MESSAGE_TIMEOUT_MS / 1000} s: nobody publishes. Let the load test publish with --nats, or start a publisher`,
    );
  counts.clear();
  await sleep(OBSERVATION_MS);
  const sorted = [...counts].toSorted(([, one], [, other]) => other - one);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  return { tokens: sorted.map(([token]) => token), rate: total / (OBSERVATION_MS / 1000) };
}

/**
 * Connects once to every gateway and from every source address.
 *
 * @param observeFeed also observe which messages are published
 * @throws Error that names the address, the reason and what to do
 */
export async function preflightCheck(options: Options, observeFeed: boolean): Promise<Traffic | undefined> {
  const { urls, sources } = options;
  const count = Math.max(urls.length, sources.length);
  const all = await Promise.allSettled(
    Array.from({ length: count }, (_, index) =>
      connectWithRetries(urls[index % urls.length] as string, index, options),
    ),
  );
  const probes = all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  try {
    const failed = all.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const [probe] = probes;
    return observeFeed && probe !== undefined ? await observe(probe) : undefined;
  } finally {
    for (const { connection } of probes) connection.abort();
  }
}
