/** The options of `npm run loadtest`, from its arguments and the environment. */

import { availableParallelism, networkInterfaces } from "node:os";
import { OPS_PORT } from "@odin-ws/protocol";
import { type CommandValues, type Read, readCommand } from "@odin-ws/settings/command-line";
import type { TokenSettings } from "../worker-messages.ts";
import { COMMAND, type Scenario } from "./command.ts";

export type { Scenario };

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
  /** Clients ask for the compact encoding. */
  compact: boolean;
  /** Clients ask for last values. */
  last: boolean;
  /** Messages a second of each channel that clients ask for at most; undefined: no limit. */
  maxRate: number | undefined;
  /** The gateway's policy for slow clients is `conflate`. */
  conflate: boolean;
  /** Undefined: the clients have no tokens. */
  tokens: TokenSettings | undefined;
  rounds: number;
  kill: string | undefined;
  atOnce: boolean;
  slowPercent: number;
  out: string;
}

const isLoopback = (host: string): boolean => host === "localhost" || /^127\./.test(host) || host === "[::1]";

function isHere(host: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
  return isLoopback(host) || own.includes(host.replace(/^\[|\]$/g, ""));
}

/** Durations other than 60 s. The buffers of slow clients, in the kernels too, take a while to fill. */
const DEFAULT_SECONDS: Partial<Record<Scenario, number>> = { "connection-rate": 10, "slow-clients": 120 };
const DEFAULT_RATES: Partial<Record<Scenario, number[]>> = { throughput: [12, 30], "connection-rate": [500] };
const CONNECTIONS_PER_WORKER = 2500;
/** Many machines limit a process to 20,000 open files. */
const MAX_CONNECTIONS_PER_WORKER = 15_000;

function workersFor(connections: number): number {
  const wanted = Math.min(Math.ceil(connections / CONNECTIONS_PER_WORKER), 2 * availableParallelism());
  return Math.max(1, wanted, Math.ceil(connections / MAX_CONNECTIONS_PER_WORKER));
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

/** Reads arguments and environment. */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): Read<Options> {
  const given = readCommand(COMMAND, args, env, contradictions);
  if (given === "help" || "mistakes" in given) return given;
  const { SCENARIO: scenario, connections, url: urls, kill } = given;
  const hosts = [...new Set(urls.map((address) => new URL(address).hostname))];
  const workers = given.workers ?? workersFor(connections);
  return {
    scenario,
    connections,
    urls,
    workers: Math.min(workers, connections),
    seconds: given.duration ?? DEFAULT_SECONDS[scenario] ?? 60,
    rates: given.rate ?? DEFAULT_RATES[scenario] ?? [12],
    connectRate: given["connect-rate"],
    nats: given.nats,
    publisher: given.publisher,
    metrics: given.metrics ?? metricsOf(urls),
    sources:
      given["source-addresses"] ??
      // On systems other than Linux, 127.0.0.1 is the only loopback address.
      (process.platform === "linux" && hosts.every((host) => isLoopback(host) && host !== "[::1]")
        ? Array.from({ length: workers }, (_, n) => `127.0.0.${10 + (n % 200)}`)
        : []),
    sameMachine: hosts.every(isHere),
    maxP99Ms: given["max-p99"],
    minSuccess: given["min-success"],
    compression: given.compression,
    compact: given.compact,
    last: given.last,
    maxRate: given["max-rate"],
    conflate: given.conflate,
    tokens: tokensOf(given),
    // By default a command runs once, because a command that ends a process works only once.
    rounds: given.rounds ?? (kill === undefined ? 2 : 1),
    kill,
    atOnce: given["at-once"],
    slowPercent: given.slow,
    out: given.out,
  };
}

/** A gateway may accept several issuers and audiences; the tokens have the first of each. */
function tokensOf(given: CommandValues<typeof COMMAND>): TokenSettings | undefined {
  const {
    "jwt-secret": secret,
    "jwt-issuer": [issuer],
    "jwt-audience": [audience],
  } = given;
  return secret === undefined ? undefined : { secret, issuer, audience };
}

function contradictions(given: Partial<CommandValues<typeof COMMAND>>): string[] {
  const { SCENARIO: scenario, nats, publisher, rate = [] } = given;
  const mistakes: string[] = [];
  if (nats !== undefined && publisher !== undefined)
    mistakes.push("--nats and --publisher cannot be used together, because both would publish");
  if (scenario !== undefined && scenario !== "throughput" && rate.length > 1)
    mistakes.push(`--rate must be one rate in ${scenario}; only throughput has several stages`);
  return mistakes;
}
