/** Entry of the gateway. Worker processes start here too. */

import cluster from "node:cluster";
import { hostname } from "node:os";
import { Registry } from "prom-client";
import { readNoArguments } from "./arguments.ts";
import { type Config, ConfigError, readConfig, unknownSettings } from "./config.ts";
import type { StreamEnd } from "./delivery/stream-end.ts";
import type { Seats } from "./entrance/admission.ts";
import { createVerifier } from "./entrance/auth.ts";
import { servePage } from "./entrance/demo-page.ts";
import { Gateway } from "./gateway.ts";
import { createLog } from "./log.ts";
import { fitToMachine, machineLimits } from "./machine.ts";
import { createMetrics } from "./metrics.ts";
import { readVersion, runPrimary } from "./process/primary.ts";
import { startThreads, surviveShortages } from "./process/shortages.ts";
import { runWorker } from "./process/worker.ts";

const MIN_SECRET_BYTES = 32; // RFC 7518 §3.2, for HS256

const COMMAND = {
  name: "npm run gateway",
  about: `Starts the gateway: clients on port 3004, operations on 3002. Takes no arguments.
Settings are environment variables; docs/settings.md lists them.

  NATS_URL=nats://localhost:4222 AUTH_MODE=none npm run gateway    a NATS server, without tokens
  SOURCE=simulator AUTH_MODE=none npm run gateway                  no NATS: a simulated market`,
};

async function main(given: Config): Promise<void> {
  const { config, clientSockets, opsSockets, warnings } = fitToMachine(given, machineLimits());
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const log = createLog({
    level: config.LOG_LEVEL,
    format: config.LOG_FORMAT,
    onLost: () => metrics.logLinesLost.inc(),
  });
  const instance = hostname();
  const verify = createVerifier(config, log);
  const page = config.DEMO_PAGE === undefined ? undefined : servePage(config.DEMO_PAGE);
  const createGateway = (seats: Seats, streamEnd: StreamEnd | undefined) =>
    new Gateway({
      config,
      instance,
      seats,
      streamEnd,
      verify,
      metrics,
      log,
      maxSockets: clientSockets,
      page,
    });
  surviveShortages(log);
  await startThreads();
  if (cluster.isWorker) return runWorker({ registry, createGateway });

  for (const warning of warnings) log.warn(warning);
  for (const variable of unknownSettings(process.env))
    log.warn({ variable }, "unknown setting: it has no effect, check its name");
  for (const variable of ["JWT_SECRET", "JWT_SECRET_PREVIOUS"] as const) {
    const secret = config[variable];
    if (secret !== undefined && Buffer.byteLength(secret) < MIN_SECRET_BYTES)
      log.warn(`${variable} is shorter than ${MIN_SECRET_BYTES} bytes and can be guessed: use a longer one`);
  }
  const version = readVersion();
  await runPrimary({ config, instance, version, registry, metrics, log, createGateway, opsSockets });
}

readNoArguments(process.argv.slice(2), COMMAND);
try {
  await main(readConfig(process.env));
  // A worker continues until its primary ends it. In the primary, everything has ended by now.
  if (cluster.isPrimary) process.exit(0);
} catch (error) {
  const lines = error instanceof ConfigError ? error.mistakes : [(error as Error).message];
  for (const line of lines) process.stderr.write(`odin-ws: ${line}\n`);
  process.exit(1);
}
