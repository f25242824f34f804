/**
 * The publisher as a service: a simulated market into NATS, until it is told to end, at a rate that is changed over HTTP.
 * The capacity test runs it.
 */

import { readFileSync } from "node:fs";
import { NotStoredError } from "../errors.ts";
import { connectPublisher } from "../publisher.ts";
import { ServicePort } from "./http.ts";
import { Load } from "./load.ts";
import { readServiceSettings, type ServiceSettings } from "./service-settings.ts";

const CLOSE_TIMEOUT = 5_000; // 5 s for the last events to be stored
/** npm passes a Ctrl-C on that the terminal has sent already: within this time it is the same one. */
const SAME_SIGNAL = 200; // ms

type Severity = "INFO" | "WARNING" | "ERROR";

/** A line of the log, as the gateway writes it. */
function log(severity: Severity, message: string, fields: object = {}): void {
  const time = new Date().toISOString();
  process.stdout.write(`${JSON.stringify({ severity, time, ...fields, message })}\n`);
}

/** Version of the bundle, or of the package when it runs from its sources. */
function readVersion(): string {
  const built = process.env.ODIN_VERSION;
  if (built !== undefined) return built;
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

/** The name of the first SIGTERM or SIGINT. Another one ends the process at once. */
function untilSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let first: number | undefined;
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      first ??= performance.now();
      if (performance.now() - first > SAME_SIGNAL) process.exit(1);
      resolve(name);
    });
  }
  return promise;
}

/** Returns the exit code. */
async function run({ port, rate, tokens, seed, servers, publisher: options }: ServiceSettings) {
  const signal = untilSignal();
  let down = "not connected to NATS yet";
  let ending = false;
  const publisher = connectPublisher({
    ...options,
    name: "odin-market",
    onStatus: ({ kind, message }) => {
      if (kind === "disconnected") down = message;
      const isNews = kind === "connected" || kind === "stream_created";
      log(isNews ? "INFO" : "WARNING", message);
    },
  });
  const load = new Load({ publisher, rate, tokens, seed, warn: (text) => log("WARNING", text) });
  const version = readVersion();
  const start = performance.now();
  const seconds = () => Math.round((performance.now() - start) / 100) / 10;
  const stats = () => {
    const { accepted, stored, queuedEvents, duplicates, refused, turnedAway, sentAgain, connected } =
      publisher.stats();
    return {
      version,
      ...load.rate,
      published: accepted,
      stored,
      waiting: queuedEvents,
      duplicates,
      refused,
      left_out: turnedAway,
      sent_again: sentAgain,
      seconds: seconds(),
      connected,
    };
  };
  const http = new ServicePort({
    unhealthy: () => {
      if (ending) return "ending";
      return publisher.stats().connected ? undefined : down;
    },
    stats,
    setRate: (wanted, forSeconds) => {
      load.setRate(wanted, forSeconds);
      log("INFO", "the rate is set", { rate: wanted, seconds: forSeconds });
    },
  });
  const listening = await http.listen(port);
  log("INFO", "publisher is up", { port: listening, servers, rate, tokens, seed, version });

  log("INFO", "ending", { signal: await signal });
  ending = true;
  load.stop();
  let code = 0;
  try {
    await publisher.close({ timeoutMs: CLOSE_TIMEOUT });
  } catch (error) {
    if (!(error instanceof NotStoredError)) throw error;
    log("ERROR", error.message);
    code = 1;
  }
  http.stop();
  log("INFO", "publisher has ended", stats());
  return code;
}

// A full disk or a closed pipe behind stdout costs log lines, not the service.
process.stdout.on("error", () => {});

try {
  const settings = readServiceSettings(process.env);
  if ("problems" in settings)
    throw new AggregateError(settings.problems.map((problem) => new Error(problem)));
  process.exit(await run(settings));
} catch (error) {
  const all = error instanceof AggregateError ? error.errors : [error];
  for (const { message } of all as Error[]) process.stderr.write(`odin-ws publisher: ${message}\n`);
  process.exit(1);
}
