/** What `npm run loadtest` is told by its arguments and by the environment. */

import { availableParallelism, networkInterfaces } from "node:os";
import { OPS_PORT, WS_PATH, WS_PORT } from "@odin-ws/protocol";
import { readFlags } from "./flags.ts";
import { bounded, duration, list, type Reader, url, whole } from "./readers.ts";

export const SCENARIOS = {
  "connection-rate": "opens TARGET_CONNECTIONS at RATE a second, holds them for DURATION",
  throughput: "all connections, then one stage for each of RATE; each lasts DURATION",
  sustained: "all connections at RATE messages a second for DURATION",
  reconnect: "the same, and all connections break at once ROUNDS times and come back",
  "slow-clients": "the same, and SLOW percent of the clients stop reading for half of the time",
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
  /** Own publisher into this NATS. */
  nats: string | undefined;
  /** Publisher service whose rate is set. */
  publisher: string | undefined;
  metrics: string[];
  workers: number;
  /** Local addresses of the connections, in turn; empty: the system's choice. */
  sources: string[];
  /** The gateway runs on this machine: one clock. */
  sameMachine: boolean;
  maxP99Ms: number;
  /** Percent of the connections. */
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

/** One row a setting; the flag wins over the variable. */
const ROWS = {
  connections: row("connections", "TARGET_CONNECTIONS", whole(1, 1_000_000), "connections to hold (10000)"),
  seconds: row(
    "duration",
    "DURATION",
    duration,
    "of the traffic: 60, 60s, 5m or 1h (60s; connection-rate 10s, slow-clients 120s)",
  ),
  urls: row(
    "url",
    "WS_URL",
    urls("ws", "wss"),
    `gateway, several in turn (ws://127.0.0.1:${WS_PORT}${WS_PATH})`,
  ),
  rates: row(
    "rate",
    "RATE",
    rates,
    "messages a second, each to 12.1 % of the connections (12; throughput 12,30); connection-rate: connections a second (500)",
  ),
  connectRate: row("connect-rate", "CONNECT_RATE", bounded(1, 100_000), "new connections a second (500)"),
  nats: row(
    "nats",
    "LOADTEST_NATS_URL",
    url("nats", "tls"),
    "publish into this NATS: loss and content are checked end to end",
  ),
  publisher: row(
    "publisher",
    "PUBLISHER_URL",
    url("http", "https"),
    "publisher service, http://HOST:3003: its rate is set",
  ),
  metrics: row(
    "metrics",
    "METRICS_URL",
    urls("http", "https"),
    `/metrics of each gateway (port ${OPS_PORT} of the host in WS_URL)`,
  ),
  workers: row("workers", "WORKERS", whole(1, 64), "processes that hold connections (1 for each 2,500)"),
  sources: row(
    "source-addresses",
    "SOURCE_ADDRESSES",
    list,
    "local addresses, in turn (127.0.0.10 and on, on loopback)",
  ),
  maxP99Ms: row(
    "max-p99",
    "MAX_P99",
    bounded(1, 600_000),
    "latency, 99th percentile, that still passes, ms (500)",
  ),
  minSuccess: row(
    "min-success",
    "MIN_SUCCESS",
    bounded(0, 100),
    "percent of connections that must be served to the end (99.9)",
  ),
  jwtSecret: row(
    "jwt-secret",
    "JWT_SECRET",
    text,
    "signs a token for each connection; better in the environment",
  ),
  rounds: row("rounds", "ROUNDS", whole(1, 100), "reconnect: how often (2; with --kill 1)"),
  kill: row(
    "kill",
    "KILL_COMMAND",
    text,
    "reconnect: shell command that breaks the connections, in place of closing them here",
  ),
  slowPercent: row("slow", "SLOW", bounded(0.1, 90), "slow-clients: percent that stop reading (1)"),
  out: row("out", "LOADTEST_OUT", text, "folder of the reports (dist/loadtest)"),
} satisfies Record<string, Row>;
type Name = keyof typeof ROWS;
const SWITCHES = {
  compression: "clients offer permessage-deflate, as browsers do",
  "at-once": "reconnect: come back without the wait that the gateway asks for",
} as const;

function row<T>(flag: string, env: string, read: Reader<T>, help: string) {
  return { flag, env, read, help };
}

export const HELP = [
  "Loads a gateway with connections and checks all that it delivers.\n",
  "  npm run loadtest -- SCENARIO [options]\n",
  ...Object.entries(SCENARIOS).map(([name, help]) => `  ${name.padEnd(18)}${help}`),
  "\nOptions, or environment variables:\n",
  ...Object.values(ROWS).map(({ flag, env, help }) => `  --${flag.padEnd(18)}${env.padEnd(21)}${help}`),
  ...Object.entries(SWITCHES).map(([flag, help]) => `  --${flag.padEnd(39)}${help}`),
  "\nWithout --nats and --publisher, events are taken as they come, for instance from the simulator in `npm start`.",
  "Exit code: 0 passed, 1 a check or threshold failed, 2 it could not run, 130 stopped by Ctrl-C (which reports, too).",
].join("\n");

const isLoopback = (host: string): boolean => host === "localhost" || /^127\./.test(host) || host === "[::1]";

function isHere(host: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
  return isLoopback(host) || own.includes(host.replace(/^\[|\]$/g, ""));
}

/** Where it is not a minute. Slow clients take a while to fill what the kernels hold for them. */
const SECONDS: Partial<Record<Scenario, number>> = { "connection-rate": 10, "slow-clients": 120 };
const PER_WORKER = 2500;
/** Open files of a process are limited to 20,000 on many machines. */
const MOST_PER_WORKER = 15_000;

function workersFor(connections: number): number {
  const wanted = Math.min(Math.ceil(connections / PER_WORKER), 2 * availableParallelism());
  return Math.max(1, wanted, Math.ceil(connections / MOST_PER_WORKER));
}

function commandLine(args: readonly string[], problems: string[]) {
  const names = Object.values(ROWS).map(({ flag }) => flag);
  const { words, values, switches } = readFlags(args, names, [...Object.keys(SWITCHES), "help"], problems);
  const [scenario = "", ...more] = words;
  if (!Object.hasOwn(SCENARIOS, scenario))
    problems.push(
      `${JSON.stringify(scenario)} is no scenario: name one of ${Object.keys(SCENARIOS).join(", ")}`,
    );
  for (const extra of more) problems.push(`${JSON.stringify(extra)}: one scenario at a time`);
  return { scenario: scenario as Scenario, values, switches };
}

/** Where the gateways' figures are when nobody says it: of several on one host this cannot be known. */
function metricsOf(urls: readonly string[]): string[] {
  const gateways = [...new Set(urls)].map((address) => new URL(address).hostname);
  const hosts = new Set(gateways);
  return hosts.size < gateways.length ? [] : [...hosts].map((host) => `http://${host}:${OPS_PORT}/metrics`);
}

/** Reads arguments and environment; returns one line per mistake when there are any. */
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
    // What stands in a secret's place is not shown.
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
    seconds: read("seconds", ROWS.seconds.read) ?? SECONDS[scenario] ?? 60,
    rates: read("rates", ROWS.rates.read) ?? fallbackRates[scenario] ?? [12],
    connectRate: read("connectRate", ROWS.connectRate.read) ?? 500,
    nats: read("nats", ROWS.nats.read),
    publisher: read("publisher", ROWS.publisher.read),
    metrics: read("metrics", ROWS.metrics.read) ?? metricsOf(urlList),
    sources:
      read("sources", ROWS.sources.read) ??
      // Elsewhere than on Linux, 127.0.0.1 is the only address of its kind.
      (process.platform === "linux" && hosts.every((host) => isLoopback(host) && host !== "[::1]")
        ? Array.from({ length: workers }, (_, n) => `127.0.0.${10 + (n % 200)}`)
        : []),
    sameMachine: hosts.every(isHere),
    maxP99Ms: read("maxP99Ms", ROWS.maxP99Ms.read) ?? 500,
    minSuccess: read("minSuccess", ROWS.minSuccess.read) ?? 99.9,
    compression: switches.has("compression"),
    jwtSecret: read("jwtSecret", ROWS.jwtSecret.read),
    // A command that ends a process finds it once.
    rounds: read("rounds", ROWS.rounds.read) ?? (kill === undefined ? 2 : 1),
    kill,
    atOnce: switches.has("at-once"),
    slowPercent: read("slowPercent", ROWS.slowPercent.read) ?? 1,
    out: read("out", ROWS.out.read) ?? "dist/loadtest",
  };
  if (options.nats !== undefined && options.publisher !== undefined)
    problems.push("--nats and --publisher: choose one, both would publish");
  if (scenario !== "throughput" && options.rates.length > 1)
    problems.push(`--rate: ${scenario} takes one; stages belong to throughput`);
  return problems.length > 0 ? { problems } : options;
}
