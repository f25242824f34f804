/** `npm run publish`: publishes a simulated token market to NATS JetStream until Ctrl-C. */

import { valuesOrExit } from "@odin-ws/settings/command-line";
import { exitCodeOf, untilSignal } from "@odin-ws/settings/signals";
import { NotStoredError } from "../errors.ts";
import { connectPublisher, type Publisher } from "../publisher.ts";
import { type CliOptions, COMMAND, readCli } from "./cli-options.ts";
import { Load } from "./load.ts";

const STATUS_INTERVAL_MS = 5_000; // 5 s
const CLOSE_TIMEOUT_MS = 5_000; // 5 s for the last events to be stored

/** `published 61, stored 60, waiting 1`, and counts of what went wrong, if any. */
function summary(publisher: Publisher): string {
  const { accepted, stored, queuedEvents, duplicates, refused, turnedAway } = publisher.stats();
  const parts = [`published ${accepted}`, `stored ${stored}`, `waiting ${queuedEvents}`];
  if (duplicates > 0) parts.push(`duplicates ${duplicates}`);
  if (refused > 0) parts.push(`refused ${refused}`);
  if (turnedAway > 0) parts.push(`left out because the queue was full ${turnedAway}`);
  return parts.join(", ");
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
  const { signal } = untilSignal({ endAtOnce: (name) => process.exit(exitCodeOf(name)) });
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
    const away = connected ? "" : "; not connected to NATS";
    console.log(
      `${Math.round((at - start) / 1000)} s: ${perSecond.toFixed(1)} events/s, ${summary(publisher)}${away}`,
    );
  }, STATUS_INTERVAL_MS);

  const { promise: timeIsOver, resolve } = Promise.withResolvers<void>();
  if (seconds !== undefined) setTimeout(resolve, seconds * 1000);
  await Promise.race([signal, timeIsOver]);
  load.stop();
  clearInterval(status);
  const { queuedEvents } = publisher.stats();
  if (queuedEvents > 0)
    console.log(
      `waiting up to ${CLOSE_TIMEOUT_MS / 1000} s for ${queuedEvents} events to be stored; press Ctrl-C again to give up`,
    );
  let code = 0;
  try {
    await publisher.close({ timeoutMs: CLOSE_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof NotStoredError)) throw error;
    console.error(error.message);
    code = 1;
  }
  console.log(`ended after ${((performance.now() - start) / 1000).toFixed(1)} s: ${summary(publisher)}`);
  return code;
}

// `npm run publish | head` closes stdout early, which is not an error.
process.stdout.on("error", () => process.exit(0));

const options = valuesOrExit(COMMAND, readCli(process.argv.slice(2), process.env));
// Does not wait until the event loop is empty: an attempt to connect that hangs would keep the process alive
// for seconds.
process.exit(await run(options));
