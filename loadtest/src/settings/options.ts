/** The options of `npm run loadtest`, from its arguments and the environment. */

import { availableParallelism, networkInterfaces } from "node:os";
import { OPS_PORT, WS_PATH, WS_PORT } from "@odin-ws/protocol";
import { readFlags } from "./flags.ts";
import { bounded, duration, list, type Reader, url, whole } from "./readers.ts";

export const SCENARIOS = {
  "connection-rate": "open TARGET_CONNECTIONS connections at RATE a second, hold them for DURATION",
  throughput: "open all connections, then run one stage of DURATION for each rate in RATE",
  sustained: "run all connections at RATE messages a second for DURATION",
  reconnect: "like sustained; all connections break at once, ROUNDS times, and reconnect",
  "slow-clients": "like sustained; SLOW percent of the clients stop reading for half of the time",
} as const;
export type Scenario = keyof typeof SCENARIOS;

export interface Options {
  scenario: Scenario;
  connections: number;
  seconds: number;
  urls: string[];
  /** Messages a second, one for each stage; connections a second in `connection-rate`. */
  rates: number[];
  connectRate: number;
  /** The load test publishes into this NATS. */
  nats: string | undefined;
  /** The load test sets the rate of this publisher service. */
  publisher: string | undefined;
  metrics: string[];
  workers: number;
  /** Local addresses of the connections, in turn. Empty: the system chooses. */
  sources: string[];
  /** The gateway runs on this machine, so both share a clock. */
  sameMachine: boolean;
  maxP99Ms: number;
  /** Percent of the connections that must be open at the end. */
  minSuccess: number;
  compression: boolean;
  jwtSecret: string | undefined;
  rounds: number;
  kill: string | undefined;
  atOnce: boolean;
  slowPercent: number;
  out: string;
}

interface Row {
  flag: string;
  env: string;
  read: Reader<unknown>;
  help: string;
}

const rates: Reader<number[]> = (text) => {
  const values = list(text).map(bounded(0.1, 100_000));
  const wrong = values.length === 0 ? "must not be empty" : values.find((value) => typeof value === "string");
  return typeof wrong === "string" ? `${wrong}, several separated by commas` : (values as number[]);
};
const urls = (...schemes: string[]): Reader<string[]> => {
  const one = url(...schemes);
  return (text) => {
    const values = list(text).map(one);
    return values.length === 0
      ? "must not be empty"
      : (values.find((value) => value.startsWith("must ")) ?? values);
  };
};
const text: Reader<string> = (value) => value;

/** One row for each setting. An option on the command line overrides the environment variable. */
const ROWS = {
  connections: row("connections", "TARGET_CONNECTIONS", whole(1, 1_000_000), "number of connections (10000)"),
  seconds: row(
    "duration",
    "DURATION",
    duration,
    "duration of the traffic: 60, 60s, 5m or 1h (60s; connection-rate 10s, slow-clients 120s)",
  ),
  urls: row(
    "url",
    "WS_URL",
    urls("ws", "wss"),
    `address of the gateway; several, separated by commas, are used in turn (ws://127.0.0.1:${WS_PORT}${WS_PATH})`,
  ),
  rates: row(
    "rate",
    "RATE",
    rates,
    "messages a second, each to 12.1 % of the connections (12; throughput 12,30). In connection-rate: connections a second (500)",
  ),
  connectRate: row("connect-rate", "CONNECT_RATE", bounded(1, 100_000), "new connections a second (500)"),
  nats: row(
    "nats",
    "LOADTEST_NATS_URL",
    url("nats", "tls"),
    "publish into this NATS, so that loss and content are checked end to end",
  ),
  publisher: row(
    "publisher",
    "PUBLISHER_URL",
    url("http", "https"),
    "set the rate of the publisher service at http://HOST:3003",
  ),
  metrics: row(
    "metrics",
    "METRICS_URL",
    urls("http", "https"),
    `address of the /metrics of each gateway (port ${OPS_PORT} of the host in WS_URL)`,
  ),
  workers: row(
    "workers",
    "WORKERS",
    whole(1, 64),
    "number of processes that hold connections (1 for each 2,500 connections)",
  ),
  sources: row(
    "source-addresses",
    "SOURCE_ADDRESSES",
    list,
    "local addresses of the connections, used in turn (on loopback: 127.0.0.10, 127.0.0.11, …)",
  ),
  maxP99Ms: row(
    "max-p99",
    "MAX_P99",
    bounded(1, 600_000),
    "largest latency, 99th percentile, that passes, ms (500)",
  ),
  minSuccess: row(
    "min-success",
    "MIN_SUCCESS",
    bounded(0, 100),
    "percent of the connections that must be open at the end (99.9)",
  ),
  jwtSecret: row(
    "jwt-secret",
    "JWT_SECRET",
    text,
    "secret that signs a token for each connection; the environment variable is safer",
  ),
  rounds: row("rounds", "ROUNDS", whole(1, 100), "reconnect: number of breaks (2; with --kill 1)"),
  kill: row(
    "kill",
    "KILL_COMMAND",
    text,
    "reconnect: shell command that breaks the connections; without this option the clients break them",
  ),
  slowPercent: row(
    "slow",
    "SLOW",
    bounded(0.1, 90),
    "slow-clients: percent of the clients that stop reading (1)",
  ),
  out: row("out", "LOADTEST_OUT", text, "folder for the reports (dist/loadtest)"),
} satisfies Record<string, Row>;
type Name = keyof typeof ROWS;
const SWITCHES = {
  compression: "clients offer permessage-deflate, like browsers",
  "at-once": "reconnect: clients reconnect at once, without the delay that the gateway asks for",
} as const;

function row<T>(flag: string, env: string, read: Reader<T>, help: string) {
  return { flag, env, read, help };
}

export const HELP = [
  "Opens many connections to a gateway and checks every message that it delivers.\n",
  "  npm run loadtest -- SCENARIO [options]\n",
  ...Object.entries(SCENARIOS).map(([name, help]) => `  ${name.padEnd(18)}${help}`),
  "\nOptions and their environment variables (defaults in parentheses):\n",
  ...Object.values(ROWS).map(({ flag, env, help }) => `  --${flag.padEnd(18)}${env.padEnd(21)}${help}`),
  ...Object.entries(SWITCHES).map(([flag, help]) => `  --${flag.padEnd(39)}${help}`),
  "\nWithout --nats and --publisher, clients receive what someone else publishes, for example the simulator in `npm start`.",
  "Exit code: 0 all checks passed, 1 a check failed, 2 the load test could not run, 130 stopped by Ctrl-C (with a report).",
].join("\n");

const isLoopback = (host: string): boolean => host === "localhost" || /^127\./.test(host) || host === "[::1]";

function isHere(host: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
  return isLoopback(host) || own.includes(host.replace(/^\[|\]$/g, ""));
}

/** Durations other than 60 s. The buffers of slow clients, in the kernels too, take a while to fill. */
const DEFAULT_SECONDS: Partial<Record<Scenario, number>> = { "connection-rate": 10, "slow-clients": 120 };
const CONNECTIONS_PER_WORKER = 2500;
/** Many machines limit a process to 20,000 open files. */
const MAX_CONNECTIONS_PER_WORKER = 15_000;

function workersFor(connections: number): number {
  const wanted = Math.min(Math.ceil(connections / CONNECTIONS_PER_WORKER), 2 * availableParallelism());
  return Math.max(1, wanted, Math.ceil(connections / MAX_CONNECTIONS_PER_WORKER));
}

function commandLine(args: readonly string[], problems: string[]) {
  const names = Object.values(ROWS).map(({ flag }) => flag);
  const { words, values, switches } = readFlags(args, names, [...Object.keys(SWITCHES), "help"], problems);
  const [scenario = "", ...more] = words;
  if (!Object.hasOwn(SCENARIOS, scenario))
    problems.push(
      `${JSON.stringify(scenario)} is not a scenario: use one of ${Object.keys(SCENARIOS).join(", ")}`,
    );
  for (const extra of more) problems.push(`${JSON.stringify(extra)}: give only one scenario`);
  return { scenario: scenario as Scenario, values, switches };
}

/**
 * Returns the default addresses of the gateways' metrics. There is no default for several gateways on one
 * host.
 */
function metricsOf(urls: readonly string[]): string[] {
  const gateways = [...new Set(urls)].map((address) => new URL(address).hostname);
  const hosts = new Set(gateways);
  return hosts.size < gateways.length ? [] : [...hosts].map((host) => `http://${host}:${OPS_PORT}/metrics`);
}

/** Reads arguments and environment. Returns one line for each mistake if there are mistakes. */
export function readOptions(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Options | "help" | { problems: string[] } {
  const problems: string[] = [];
  const { scenario, values, switches } = commandLine(args, problems);
  if (switches.has("help")) return "help";
  function read<T>(name: Name, reader: Reader<T>): T | undefined {
    const { flag, env: variable } = ROWS[name];
    const given = values[flag];
    const source = given === undefined ? variable : `--${flag}`;
    const value = given ?? (env[variable] || undefined);
    if (value === undefined) return undefined;
    const result = reader(value);
    if (typeof result !== "string" || result === value || !result.startsWith("must ")) return result as T;
    // A value that may be a secret is not shown.
    problems.push(
      `${source}: ${result}${name === "jwtSecret" || name === "nats" ? "" : `, not ${JSON.stringify(value)}`}`,
    );
    return undefined;
  }
  const connections = read("connections", ROWS.connections.read) ?? 10_000;
  const urlList = read("urls", ROWS.urls.read) ?? [`ws://127.0.0.1:${WS_PORT}${WS_PATH}`];
  const hosts = [...new Set(urlList.map((address) => new URL(address).hostname))];
  const workers = read("workers", ROWS.workers.read) ?? workersFor(connections);
  const fallbackRates = { throughput: [12, 30], "connection-rate": [500] } as Partial<
    Record<Scenario, number[]>
  >;
  const kill = read("kill", ROWS.kill.read);
  const options: Options = {
    scenario,
    connections,
    urls: urlList,
    workers: Math.min(workers, connections),
    seconds: read("seconds", ROWS.seconds.read) ?? DEFAULT_SECONDS[scenario] ?? 60,
    rates: read("rates", ROWS.rates.read) ?? fallbackRates[scenario] ?? [12],
    connectRate: read("connectRate", ROWS.connectRate.read) ?? 500,
    nats: read("nats", ROWS.nats.read),
    publisher: read("publisher", ROWS.publisher.read),
    metrics: read("metrics", ROWS.metrics.read) ?? metricsOf(urlList),
    sources:
      read("sources", ROWS.sources.read) ??
      // On systems other than Linux, 127.0.0.1 is the only loopback address.
      (process.platform === "linux" && hosts.every((host) => isLoopback(host) && host !== "[::1]")
        ? Array.from({ length: workers }, (_, n) => `127.0.0.${10 + (n % 200)}`)
        : []),
    sameMachine: hosts.every(isHere),
    maxP99Ms: read("maxP99Ms", ROWS.maxP99Ms.read) ?? 500,
    minSuccess: read("minSuccess", ROWS.minSuccess.read) ?? 99.9,
    compression: switches.has("compression"),
    jwtSecret: read("jwtSecret", ROWS.jwtSecret.read),
    // By default a command runs once, because a command that ends a process works only once.
    rounds: read("rounds", ROWS.rounds.read) ?? (kill === undefined ? 2 : 1),
    kill,
    atOnce: switches.has("at-once"),
    slowPercent: read("slowPercent", ROWS.slowPercent.read) ?? 1,
    out: read("out", ROWS.out.read) ?? "dist/loadtest",
  };
  if (options.nats !== undefined && options.publisher !== undefined)
    problems.push("--nats and --publisher: use only one of them, because both would publish");
  if (scenario !== "throughput" && options.rates.length > 1)
    problems.push(`--rate: ${scenario} takes one rate; only throughput has several stages`);
  return problems.length > 0 ? { problems } : options;
}
