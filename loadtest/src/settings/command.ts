/** The command line of `npm run loadtest`, and the environment variables of its options. */

import { OPS_PORT, WS_PATH, WS_PORT } from "@odin-ws/protocol";
import { type Command, flag, option } from "@odin-ws/settings/command-line";
import {
  boolean,
  choice,
  decimal,
  duration,
  list,
  listOf,
  nonEmpty,
  url,
  whole,
} from "@odin-ws/settings/values";

export const SCENARIOS = {
  "connection-rate": "open TARGET_CONNECTIONS connections at RATE a second, hold them for DURATION",
  throughput: "open all connections, then run one stage of DURATION for each rate in RATE",
  sustained: "run all connections at RATE messages a second for DURATION",
  reconnect: "like sustained; all connections break at once, ROUNDS times, and reconnect",
  "slow-clients": "like sustained; SLOW percent of the clients stop reading for half of the time",
} as const;
export type Scenario = keyof typeof SCENARIOS;

const SCENARIO_NAMES = Object.keys(SCENARIOS) as Scenario[];

/** In seconds. A number without a unit is in seconds. */
const seconds = () => duration({ min: "1s", max: "24h", unit: "s" }).transform((ms) => ms / 1000);

export const COMMAND = {
  name: "npm run loadtest",
  about: [
    "Opens many connections to a gateway and checks every message that it delivers.\n",
    ...Object.entries(SCENARIOS).map(([name, help]) => `  ${name.padEnd(17)}${help}`),
  ].join("\n"),
  words: {
    SCENARIO: option("", choice(SCENARIO_NAMES).describe("one of the scenarios above")),
  },
  options: {
    connections: option("N", whole(1, 1_000_000).default(10_000).describe("number of connections (10000)"), {
      variable: "TARGET_CONNECTIONS",
    }),
    duration: option(
      "TIME",
      seconds()
        .optional()
        .describe("duration of the traffic: 60, 60s, 5m or 1h (60s; connection-rate 10s, slow-clients 120s)"),
      { variable: "DURATION" },
    ),
    url: option(
      "URL",
      listOf(url("ws", "wss"))
        .default([`ws://127.0.0.1:${WS_PORT}${WS_PATH}`])
        .describe(
          "address of the gateway; several, separated by commas, are used in turn " +
            `(ws://127.0.0.1:${WS_PORT}${WS_PATH})`,
        ),
      { variable: "WS_URL" },
    ),
    rate: option(
      "N",
      listOf(decimal(0.1, 100_000))
        .optional()
        .describe(
          "messages a second, each to 12.1 % of the connections (12; throughput 12,30). In connection-rate: " +
            "connections a second (500)",
        ),
      { variable: "RATE" },
    ),
    "connect-rate": option("N", decimal(1, 100_000).default(500).describe("new connections a second (500)"), {
      variable: "CONNECT_RATE",
    }),
    nats: option(
      "URL",
      url("nats", "tls")
        .optional()
        .describe("publish into this NATS, so that loss and content are checked end to end"),
      { variable: "LOADTEST_NATS_URL", secret: true },
    ),
    publisher: option(
      "URL",
      url("http", "https").optional().describe("set the rate of the publisher service at http://HOST:3003"),
      { variable: "PUBLISHER_URL" },
    ),
    metrics: option(
      "URL",
      listOf(url("http", "https"))
        .optional()
        .describe(`address of the /metrics of each gateway (port ${OPS_PORT} of the host in WS_URL)`),
      { variable: "METRICS_URL" },
    ),
    workers: option(
      "N",
      whole(1, 64)
        .optional()
        .describe("number of processes that hold connections (1 for each 2,500 connections)"),
      { variable: "WORKERS" },
    ),
    "source-addresses": option(
      "LIST",
      list()
        .optional()
        .describe(
          "local addresses of the connections, used in turn (on loopback: 127.0.0.10, 127.0.0.11, …)",
        ),
      { variable: "SOURCE_ADDRESSES" },
    ),
    "max-p99": option(
      "MS",
      decimal(1, 600_000).default(500).describe("largest latency, 99th percentile, that passes, ms (500)"),
      { variable: "MAX_P99" },
    ),
    "min-success": option(
      "PERCENT",
      decimal(0, 100)
        .default(99.9)
        .describe("percent of the connections that must be open at the end (99.9)"),
      { variable: "MIN_SUCCESS" },
    ),
    "jwt-secret": option(
      "TEXT",
      nonEmpty()
        .optional()
        .describe("secret that signs a token for each connection; the environment variable is safer"),
      { variable: "JWT_SECRET", secret: true },
    ),
    "jwt-issuer": option(
      "TEXT",
      list()
        .default([])
        .describe("issuer of the tokens, as the gateway's JWT_ISSUER requires it; of a list, the first one"),
      { variable: "JWT_ISSUER" },
    ),
    "jwt-audience": option(
      "TEXT",
      list()
        .default([])
        .describe(
          "audience of the tokens, as the gateway's JWT_AUDIENCE requires it; of a list, the first one",
        ),
      { variable: "JWT_AUDIENCE" },
    ),
    rounds: option("N", whole(1, 100).optional().describe("reconnect: number of breaks (2; with --kill 1)"), {
      variable: "ROUNDS",
    }),
    kill: option(
      "COMMAND",
      nonEmpty()
        .optional()
        .describe(
          "reconnect: shell command that breaks the connections; without this option the clients break them",
        ),
      { variable: "KILL_COMMAND" },
    ),
    slow: option(
      "PERCENT",
      decimal(0.1, 90).default(1).describe("slow-clients: percent of the clients that stop reading (1)"),
      { variable: "SLOW" },
    ),
    out: option(
      "FOLDER",
      nonEmpty().default("dist/loadtest").describe("folder for the reports (dist/loadtest)"),
      { variable: "LOADTEST_OUT" },
    ),
    compact: flag(
      boolean()
        .default(false)
        .describe("clients ask for the compact encoding, and check every message of it"),
    ),
    last: flag(
      boolean()
        .default(false)
        .describe("clients ask for last values, and check that they are the newest of their channels"),
    ),
    "max-rate": option(
      "N",
      decimal(0.1, 100)
        .optional()
        .describe("clients ask for at most N messages a second of each channel (0.1 to 100; all messages)"),
      { variable: "MAX_RATE" },
    ),
    conflate: flag(
      boolean()
        .default(false)
        .describe(
          "the gateway has WS_THROTTLE_POLICY=conflate: slow clients must get the newest message of each channel",
        ),
    ),
    compression: flag(boolean().default(false).describe("clients offer permessage-deflate, like browsers")),
    "at-once": flag(
      boolean()
        .default(false)
        .describe("reconnect: clients reconnect at once, without the delay that the gateway asks for"),
    ),
  },
  notes: [
    "Defaults are in parentheses. An option overrides its environment variable.",
    "Without --nats and --publisher, clients receive what someone else publishes, for example the simulator in `npm start`.",
    "Exit code: 0 all checks passed, 1 a check failed, 2 the load test could not run, 130 stopped by Ctrl-C (with a report).",
  ].join("\n"),
} satisfies Command;
