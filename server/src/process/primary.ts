/**
 * The process that holds the hub: source, limits, operations port, signals. With one worker it serves the
 * clients too.
 */

import { readFileSync } from "node:fs";
import { untilSignal } from "@odin-ws/settings/signals";
import { AggregatorRegistry, type Registry } from "prom-client";
import { type Config, lastValuesLimits } from "../config.ts";
import type { StreamEnd } from "../delivery/stream-end.ts";
import { Admission, type Seats } from "../entrance/admission.ts";
import { SeatRegistry } from "../entrance/seat-registry.ts";
import type { Gateway } from "../gateway.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { DictionaryShelf } from "../source/dictionary-shelf.ts";
import { jetstreamSource, type OnConnection } from "../source/jetstream.ts";
import { pollSource } from "../source/poll.ts";
import { RevocationReader } from "../source/revocation-reader.ts";
import { simulatorSource } from "../source/simulator.ts";
import type { Source } from "../source/source.ts";
import { startCloudMonitoring } from "./cloud-monitoring.ts";
import { type Fleet, LocalFleet, LocalSeats, type MetricsSnapshot } from "./fleet.ts";
import { Hub } from "./hub.ts";
import { usageOfProcess } from "./ipc.ts";
import { OpsServer } from "./ops.ts";
import { WorkerPool } from "./pool.ts";
import { explainPort } from "./port.ts";
import { SeatExchange, type UserLimitScope } from "./seat-exchange.ts";
import { shareNext } from "./share-next.ts";

const SAMPLE_MS = 1000;
/** A drain that takes this much longer than planned is ended. */
const DRAIN_OVERTIME_MS = 10_000;
/** How long the end of the process waits for the source to close its connection. */
const SOURCE_END_MS = 1000;

export interface PrimaryOptions {
  config: Config;
  instance: string;
  version: string;
  registry: Registry;
  metrics: Metrics;
  log: Log;
  /** Creates the gateway that serves clients in this process, when there are no worker processes. */
  createGateway: (seats: Seats, streamEnd: StreamEnd | undefined) => Gateway;
  /** Largest number of sockets at the operations port. */
  opsSockets: number;
}

/** Runs until a signal; resolves when everything has ended. */
export async function runPrimary(options: PrimaryOptions): Promise<void> {
  const { config, version, metrics, log } = options;
  // Each part knows only parts that were created before: the fleet takes seats from the admission, the hub
  // feeds the fleet.
  const admission = new Admission({
    maxConnections: config.WS_MAX_CONNECTIONS,
    maxPerUser: config.WS_MAX_CONNECTIONS_PER_USER,
    maxPerIpPerSecond: config.WS_MAX_CONNECTS_PER_IP_PER_SECOND,
  });
  const source = createSource(config, log, async (connection) => {
    // Without tokens there is nothing to revoke.
    const revoked = config.AUTH_MODE === "none" ? undefined : revocations.follow(connection);
    exchange?.channel.follow(connection);
    await Promise.all([revoked, shelf.follow(connection)]);
  });
  const streamEnd = source.end && shareNext(source.end);
  const seats = new SeatRegistry(admission, {
    maxPerUser: config.WS_MAX_CONNECTIONS_PER_USER,
    action: config.WS_USER_LIMIT_ACTION,
  });
  const exchange = createExchange(options, seats);
  seats.userSeats = exchange;
  const fleet = createFleet(options, seats, streamEnd);
  const revocations = new RevocationReader({
    config,
    log,
    onRevocations: (found) => fleet.downstream.revoke(found),
  });
  const shelf = new DictionaryShelf({
    config,
    log,
    onDictionary: (dictionary) => hub.dictionary(dictionary),
  });
  // Only the gateways of a stream on NATS can share dictionaries.
  const offer = config.SOURCE === "jetstream" ? shelf.offer.bind(shelf) : undefined;
  const hub = new Hub({ config, admission, downstream: fleet.downstream, metrics, log, offer });
  const userLimit = () => exchange?.scope ?? scopeWithoutExchange(config);
  const ops = createOpsServer(options, { admission, fleet, hub, userLimit });

  const sample = () => hub.sample(fleet.usage().set(process.pid, usageOfProcess()));
  sample();
  const sampling = setInterval(sample, SAMPLE_MS);
  const sourceEnd = new AbortController();
  const secondSignal = Promise.withResolvers<void>();
  const endRequest = untilSignal({ endAtOnce: () => secondSignal.resolve(), hangUp: true });
  const opsPort = await ops.listen(config.OPS_PORT).catch((error: Error) => {
    throw explainPort(error, "OPS_PORT", config.OPS_PORT);
  });
  const port = await fleet.start().catch((error: Error) => {
    throw explainPort(error, "WS_PORT", config.WS_PORT);
  });
  const sourceEnded = source(hub, sourceEnd.signal);
  const monitoring = startCloudMonitoring({
    mode: config.GCP_METRICS,
    connections: () => admission.connections,
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

  const signal = await endRequest.signal;
  const restarts = signal === "SIGHUP";
  const { WS_DRAIN_SECONDS: longest, WS_RESTART_SECONDS } = config;
  const seconds = restarts ? Math.min(WS_RESTART_SECONDS, longest) : longest;
  log.info({ signal, connections: admission.connections, seconds }, "draining");
  hub.startDraining();
  exchange?.leave();
  const overtime = elapsed(seconds * 1000 + DRAIN_OVERTIME_MS);
  await Promise.race([fleet.drain({ seconds, restarts }), overtime, secondSignal.promise]);
  sourceEnd.abort();
  clearInterval(sampling);
  monitoring.stop();
  ops.stop();
  await fleet.stop();
  await Promise.race([sourceEnded, elapsed(SOURCE_END_MS)]);
  log.info("gateway has ended");
}

/** Whether there are users whose connections can be counted. */
const hasUserLimit = (config: Config) =>
  config.WS_MAX_CONNECTIONS_PER_USER > 0 && config.AUTH_MODE !== "none";

const scopeWithoutExchange = (config: Config): UserLimitScope => ({
  counted_by: hasUserLimit(config) ? "gateway" : "none",
  gateways: 1,
});

/** Counts the connections of users with the other gateways. Only gateways on NATS know each other. */
function createExchange(
  { config, metrics, log }: PrimaryOptions,
  registry: SeatRegistry,
): SeatExchange | undefined {
  if (!hasUserLimit(config)) return undefined;
  if (config.SOURCE === "jetstream") return new SeatExchange({ config, registry, metrics, log });
  log.info(
    { source: config.SOURCE },
    "WS_MAX_CONNECTIONS_PER_USER holds for this gateway alone: without NATS, gateways do not know each other",
  );
  return undefined;
}

function createFleet(
  { config, createGateway, log }: PrimaryOptions,
  registry: SeatRegistry,
  streamEnd: StreamEnd | undefined,
): Fleet {
  if (config.WS_WORKER_POOL_SIZE > 1) {
    return new WorkerPool({
      size: config.WS_WORKER_POOL_SIZE,
      port: config.WS_PORT,
      history: {
        maxAgeMs: config.JS_STREAM_MAX_AGE,
        maxMessages: config.JS_STREAM_MAX_MSGS,
        maxBytes: config.JS_STREAM_MAX_BYTES,
      },
      lastValues: config.WS_LAST_VALUES ? lastValuesLimits(config) : undefined,
      seats: registry,
      streamEnd,
      log,
    });
  }
  const seats = new LocalSeats(registry);
  const gateway = createGateway(seats, streamEnd);
  seats.holder = gateway.seated;
  registry.add(gateway.seated);
  return new LocalFleet(gateway, config.WS_PORT);
}

function createOpsServer(
  { instance, version, registry, log, opsSockets }: PrimaryOptions,
  {
    admission,
    fleet,
    hub,
    userLimit,
  }: { admission: Admission; fleet: Fleet; hub: Hub; userLimit: () => UserLimitScope },
): OpsServer {
  const answers = {
    unhealthy: () => hub.unhealthy,
    health: () => ({ user_limit: userLimit(), region: hub.region }),
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
        connections: admission.connections,
        subscriptions: serving.subscriptions,
        deliveries: serving.deliveries,
        dropped: dropped + serving.dropped,
        uptime_seconds: Math.round(process.uptime()),
      };
    },
  };
  return new OpsServer(answers, log, opsSockets);
}

function createSource(config: Config, log: Log, onConnection: OnConnection): Source {
  switch (config.SOURCE) {
    case "jetstream":
      return jetstreamSource(config, log, onConnection);
    case "poll":
      return pollSource({ url: config.POLL_URL as string, intervalMs: config.POLL_INTERVAL_MS, log });
    case "simulator":
      return simulatorSource({ rate: config.SIMULATOR_RATE });
  }
}

/** Resolves after this time, and does not keep the process alive until then. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** Version of the bundle; when the gateway runs from its sources, version of the package. */
export function readVersion(): string {
  const built = process.env.ODIN_VERSION;
  if (built !== undefined) return built;
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}
