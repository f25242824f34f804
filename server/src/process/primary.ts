/** The process that holds the hub: source, limits, operations port, signals; with one worker it serves clients too. */

import { readFileSync } from "node:fs";
import { AggregatorRegistry, type Registry } from "prom-client";
import type { Config } from "../config.ts";
import type { Seats } from "../entrance/entrance.ts";
import type { Gateway } from "../gateway.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { jetstreamSource } from "../source/jetstream.ts";
import { pollSource } from "../source/poll.ts";
import { simulatorSource } from "../source/simulator.ts";
import type { Source } from "../source/source.ts";
import { startCloudMonitoring } from "./cloud-monitoring.ts";
import { type Fleet, LocalFleet, type MetricsSnapshot } from "./fleet.ts";
import { Hub } from "./hub.ts";
import { usageOfProcess } from "./ipc.ts";
import { OpsServer } from "./ops.ts";
import { WorkerPool } from "./pool.ts";
import { explainPort } from "./port.ts";

const SAMPLE_MS = 1000;
/** npm passes a Ctrl-C on that the terminal has sent already: within this time it is the same one. */
const SAME_SIGNAL_MS = 200;
/** A drain that does not come to an end is ended. */
const DRAIN_OVERTIME_MS = 10_000;

export interface PrimaryOptions {
  config: Config;
  instance: string;
  version: string;
  registry: Registry;
  metrics: Metrics;
  log: Log;
  /** Makes the gateway that serves in this process. */
  create: (seats: Seats, closure: Parameters<ConstructorParameters<typeof LocalFleet>[0]>[0]) => Gateway;
}

/** Runs until a signal; resolves when everything has ended. */
export async function runPrimary(options: PrimaryOptions): Promise<void> {
  const { config, instance, version, registry, metrics, log } = options;
  const fleet = createFleet(options, () => hub);
  const hub: Hub = new Hub({ config, metrics, log, downstream: fleet });
  const ops = new OpsServer(
    {
      unhealthy: () => hub.unhealthy,
      metrics: async () => {
        const own = (await registry.getMetricsAsJSON()) as MetricsSnapshot;
        return AggregatorRegistry.aggregate([own, ...(await fleet.metrics())]).metrics();
      },
      stats: async () => {
        const serving = await fleet.stats();
        const { dropped, ...own } = hub.stats;
        return {
          version,
          instance,
          ...own,
          connections: hub.admission.connections,
          subscriptions: serving.subscriptions,
          deliveries: serving.deliveries,
          dropped: dropped + serving.dropped,
          uptime_seconds: Math.round(process.uptime()),
        };
      },
    },
    log,
  );
  const sample = () => hub.sample(fleet.usage().set(process.pid, usageOfProcess()));
  sample();
  const sampling = setInterval(sample, SAMPLE_MS);
  const ending = new AbortController();
  const signalled = untilSignal();
  const opsPort = await ops.listen(config.OPS_PORT).catch((error: Error) => {
    throw explainPort(error, "OPS_PORT", config.OPS_PORT);
  });
  const port = await fleet.start().catch((error: Error) => {
    throw explainPort(error, "WS_PORT", config.WS_PORT);
  });
  const reading = createSource(config, log)(hub, ending.signal);
  const monitoring = startCloudMonitoring({
    mode: config.GCP_METRICS,
    connections: () => hub.admission.connections,
    log,
  });
  log.info(
    {
      port,
      ops_port: opsPort,
      source: config.SOURCE,
      workers: config.WS_WORKER_POOL_SIZE,
      auth: config.AUTH_MODE,
      version,
      ...(config.DEMO_PAGE === undefined ? {} : { page: `http://localhost:${port}/` }),
    },
    "gateway is up",
  );

  const signal = await signalled.first;
  log.info({ signal, connections: hub.admission.connections, seconds: config.WS_DRAIN_SECONDS }, "draining");
  hub.startDraining();
  const overtime = new Promise<void>((resolve) => {
    setTimeout(resolve, config.WS_DRAIN_SECONDS * 1000 + DRAIN_OVERTIME_MS).unref();
  });
  await Promise.race([fleet.drain(config.WS_DRAIN_SECONDS), overtime, signalled.second]);
  ending.abort();
  clearInterval(sampling);
  monitoring.stop();
  ops.stop();
  await fleet.stop();
  await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
  log.info("gateway has ended");
}

function createFleet({ config, create, log }: PrimaryOptions, hub: () => Hub): Fleet {
  if (config.WS_WORKER_POOL_SIZE > 1) {
    return new WorkerPool({
      size: config.WS_WORKER_POOL_SIZE,
      port: config.WS_PORT,
      history: {
        maxAgeMs: config.JS_STREAM_MAX_AGE,
        maxMessages: config.JS_STREAM_MAX_MSGS,
        maxBytes: config.JS_STREAM_MAX_BYTES,
      },
      admission: () => hub().admission,
      log,
    });
  }
  const seats: Seats = {
    take: async (applicant) => hub().admission.take(applicant, Math.floor(Date.now() / 1000)),
    free: (applicant) => hub().admission.free(applicant),
  };
  return new LocalFleet((closure) => create(seats, closure), config.WS_PORT);
}

function createSource(config: Config, log: Log): Source {
  switch (config.SOURCE) {
    case "jetstream":
      return jetstreamSource(config, log);
    case "poll":
      return pollSource({ url: config.POLL_URL as string, intervalMs: config.POLL_INTERVAL_MS, log });
    case "simulator":
      return simulatorSource({ rate: config.SIMULATOR_RATE });
  }
}

/** The first SIGTERM or SIGINT asks for a drain, the second for an end at once. */
function untilSignal(): { first: Promise<string>; second: Promise<void> } {
  const { promise: first, resolve: onFirst } = Promise.withResolvers<string>();
  const { promise: second, resolve: onSecond } = Promise.withResolvers<void>();
  let last: { name: string; at: number } | undefined;
  const listen = (name: string) => {
    const same =
      last !== undefined && name === "SIGINT" && last.name === name && Date.now() - last.at < SAME_SIGNAL_MS;
    if (last === undefined) onFirst(name);
    else if (!same) onSecond();
    last = { name, at: Date.now() };
  };
  process.on("SIGTERM", () => listen("SIGTERM"));
  process.on("SIGINT", () => listen("SIGINT"));
  return { first, second };
}

/** Version of the bundle, or of the package when it runs from its sources. */
export function readVersion(): string {
  const built = process.env.ODIN_VERSION;
  if (built !== undefined) return built;
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}
