/** `npm run publish`: a simulated token market, published to NATS JetStream until Ctrl-C. */

import { NotStoredError } from "../errors.ts";
import { connectPublisher, type Publisher } from "../publisher.ts";
import { type CliOptions, HELP, readCli } from "./cli-options.ts";
import { Load } from "./load.ts";

const STATUS_EVERY = 5_000; // 5 s
const CLOSE_TIMEOUT = 5_000; // 5 s

/** `published 61, stored 60, waiting 1`, and what went wrong if anything did. */
function summary(publisher: Publisher): string {
  const { accepted, stored, queuedEvents, duplicates, refused, turnedAway } = publisher.stats();
  const parts = [`published ${accepted}`, `stored ${stored}`, `waiting ${queuedEvents}`];
  if (duplicates > 0) parts.push(`known already ${duplicates}`);
  if (refused > 0) parts.push(`refused ${refused}`);
  if (turnedAway > 0) parts.push(`left out with the queue full ${turnedAway}`);
  return parts.join(", ");
}

/** Resolves at Ctrl-C, SIGTERM, or after `seconds`. A second Ctrl-C ends the process at once. */
function untilStopped(seconds: number | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once("SIGINT", resolve);
  process.once("SIGTERM", resolve);
  if (seconds !== undefined) setTimeout(resolve, seconds * 1000);
  return promise;
}

/** Returns the exit code. */
async function run({
  rate,
  tokens,
  seed,
  seconds,
  publisher: options,
  servers,
}: CliOptions): Promise<number> {
  console.log(`${rate} events/s of ${tokens} tokens to NATS at ${servers} (--seed ${seed}); Ctrl-C ends`);
  const publisher = connectPublisher({
    ...options,
    name: "odin-market",
    onStatus: ({ message }) => console.log(message),
  });
  const load = new Load({ publisher, rate, tokens, seed, warn: (text) => console.error(text) });
  const start = performance.now();
  let last = { at: start, stored: 0 };
  const status = setInterval(() => {
    const at = performance.now();
    const { stored, connected } = publisher.stats();
    const perSecond = ((stored - last.stored) * 1000) / (at - last.at);
    last = { at, stored };
    const away = connected ? "" : "; NATS is away";
    console.log(
      `${Math.round((at - start) / 1000)} s: ${perSecond.toFixed(1)} events/s, ${summary(publisher)}${away}`,
    );
  }, STATUS_EVERY);

  await untilStopped(seconds);
  load.stop();
  clearInterval(status);
  const { queuedEvents } = publisher.stats();
  if (queuedEvents > 0)
    console.log(
      `waiting up to ${CLOSE_TIMEOUT / 1000} s for ${queuedEvents} events to be stored; Ctrl-C gives up`,
    );
  let code = 0;
  try {
    await publisher.close({ timeoutMs: CLOSE_TIMEOUT });
  } catch (error) {
    if (!(error instanceof NotStoredError)) throw error;
    console.error(error.message);
    code = 1;
  }
  console.log(`ended after ${((performance.now() - start) / 1000).toFixed(1)} s: ${summary(publisher)}`);
  return code;
}

// `npm run publish | head` is no error.
process.stdout.on("error", () => process.exit(0));

const options = readCli(process.argv.slice(2), process.env);
if (options === "help") {
  console.log(HELP);
} else if ("problems" in options) {
  for (const problem of options.problems) console.error(problem);
  process.exitCode = 2;
} else {
  // Not left to the event loop: a dial that hangs would keep the process for seconds.
  process.exit(await run(options));
}
