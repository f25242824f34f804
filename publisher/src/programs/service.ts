/**
 * The publisher as a service: publishes a simulated market to NATS until a signal stops it, at a rate that is
 * changed over HTTP. The capacity test runs this service.
 */

import { readFileSync } from "node:fs";
import { readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { exitCodeOf, untilSignal } from "@odin-ws/settings/signals";
import { NotStoredError } from "../errors.ts";
import { connectPublisher } from "../publisher.ts";
import { ServicePort } from "./http.ts";
import { Load } from "./load.ts";
import { ServiceMetrics } from "./service-metrics.ts";
import { COMMAND, readServiceSettings, type ServiceSettings } from "./service-settings.ts";

const CLOSE_TIMEOUT_MS = 5_000; // 5 s for the last events to be stored

type Severity = "INFO" | "WARNING" | "ERROR";

/** Bytes of log lines that may wait while nobody reads stdout; further lines are lost. */
const MAX_WAITING_BYTES = 1_048_576;

/** Writes a line of the log, in the format of the gateway. */
function log(severity: Severity, message: string, fields: object = {}): void {
  if (process.stdout.writableLength > MAX_WAITING_BYTES) return;
  const time = new Date().toISOString();
  process.stdout.write(`${JSON.stringify({ severity, time, ...fields, message })}\n`);
}

/** Version of the bundle, or of the package when the service runs from its sources. */
function readVersion(): string {
  const built = process.env.ODIN_VERSION;
  if (built !== undefined) return built;
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

/** Runs until a signal. Returns the exit code. */
async function run({ port, rate, tokens, seed, servers, publisher: options }: ServiceSettings) {
  const { signal } = untilSignal({ endAtOnce: (name) => process.exit(exitCodeOf(name)) });
  let down = "not connected to NATS yet";
  let ending = false;
  const publisher = connectPublisher({
    ...options,
    name: "odin-market",
    onStatus: ({ kind, message }) => {
      if (kind === "disconnected") down = message;
      const isTrouble = kind !== "connected" && kind !== "stream_created";
      log(isTrouble ? "WARNING" : "INFO", message);
    },
  });
  const metrics = new ServiceMetrics({ stats: () => publisher.stats(), rate: () => load.rate.rate });
  const load = new Load({
    publisher,
    rate,
    tokens,
    seed,
    warn: (text) => log("WARNING", text),
    onStored: (ms) => metrics.observeStored(ms),
  });
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
    metrics: () => metrics.text(),
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
    await publisher.close({ timeoutMs: CLOSE_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof NotStoredError)) throw error;
    log("ERROR", error.message);
    code = 1;
  }
  http.stop();
  log("INFO", "publisher has ended", stats());
  return code;
}

// When stdout is a full disk or a closed pipe, log lines are lost and the service continues.
process.stdout.on("error", () => {});

try {
  // Refuses arguments: all settings are environment variables.
  valuesOrExit(COMMAND, readCommand({ ...COMMAND, variables: {} }, process.argv.slice(2)));
  const settings = readServiceSettings(process.env);
  if ("mistakes" in settings)
    throw new AggregateError(settings.mistakes.map((mistake) => new Error(mistake)));
  process.exit(await run(settings));
} catch (error) {
  const all = error instanceof AggregateError ? error.errors : [error];
  for (const { message } of all as Error[]) process.stderr.write(`odin-ws publisher: ${message}\n`);
  process.exit(1);
}
