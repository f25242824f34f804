import { setTimeout as sleep } from "node:timers/promises";
import { type Command, option, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { choice, listOf, nonEmpty, whole } from "@odin-ws/settings/values";
import { natsServerPath, runAndExit, writeJson } from "../command.ts";
import { startNats } from "../nats.ts";
import { processTree, stop } from "../process.ts";
import { machine } from "../report.ts";
import { Balancer } from "./balancer.ts";
import { CoreWatch } from "./core-watch.ts";
import { Feeder } from "./feeder.ts";
import { Loaders } from "./loaders.ts";
import { type Outcome, outcomeOf, paceOf, tableOf } from "./outcome.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import { PEERS, type Peer, type Server } from "./servers.ts";

const MAX_CLIENTS = 50_000;
const MAX_SECONDS = 3600;
const OPEN_TIMEOUT_MS = 120_000; // 2 min
/** Time with messages before the scenario, ms. A connection that breaks within 5 s counts as a failure. */
const CALM_MS = 6000;
const AFTER_MS = 2000;
/** Longest time in which clients come back after the scenario, ms. */
const SETTLE_MS = 45_000;
const SETTLED_MS = 500;

const SCENARIO_NAMES = SCENARIOS.map(({ name }) => name);
const PEER_NAMES = PEERS.map(({ name }) => name);
const seconds = () => whole(1, MAX_SECONDS);

const COMMAND = {
  name: "npm run bench:recovery",
  about: `Measures how clients get over faults: lines that are cut, servers that are replaced, killed, or vanish. Messages flow
all the time. Reports which part of the messages arrived in order, and how long the clients took until they had
everything again. Runs servers, clients and a load balancer on this machine, and takes about 10 minutes.`,
  options: {
    scenarios: option(
      "LIST",
      listOf(choice(SCENARIO_NAMES)).default(SCENARIO_NAMES).describe(SCENARIO_NAMES.join(", ")),
    ),
    only: option(
      "LIST",
      listOf(choice(PEER_NAMES))
        .default(PEER_NAMES)
        .describe(`measures only these: ${PEER_NAMES.join(", ")}`),
    ),
    clients: option(
      "N",
      whole(1, MAX_CLIENTS).optional().describe("clients (10000; 5000 in the scenario redeploy)"),
    ),
    channels: option("N", whole(1, 1000).default(20).describe("channels; each client has one of them (20)")),
    rate: option("N", whole(1, 1000).default(1).describe("messages a second on each channel (1)")),
    seconds: option("N", seconds().default(60).describe("length of the jitter (60)")),
    "cut-every": option("N", seconds().default(15).describe("seconds between two cuts of a client (15)")),
    away: option("N", seconds().default(2).describe("seconds for which a line is away (2)")),
    drain: option("N", seconds().default(15).describe("WS_DRAIN_SECONDS of the gateways (15)")),
    check: option(
      "MS",
      whole(100, 10_000).default(1000).describe("time between two health checks of the load balancer (1000)"),
    ),
    fallback: option(
      "WHEN",
      choice(["on", "off"]).default("on").describe("whether clients of odin-ws may receive over HTTP (on)"),
    ),
    json: option(
      "FILE",
      nonEmpty()
        .default("dist/bench-recovery.json")
        .describe("file for all figures (dist/bench-recovery.json)"),
    ),
  },
} satisfies Command;

const options = valuesOrExit(COMMAND, readCommand(COMMAND, process.argv.slice(2)));

/** Runs one scenario with one peer, from an empty NATS server on. */
async function measure(scenario: Scenario, peer: Peer, natsServer: string): Promise<Outcome> {
  const nats = await startNats(natsServer);
  const servers: Server[] = [];
  const { channels, rate, drain } = options;
  const clients = options.clients ?? scenario.clients;
  const fallback = options.fallback === "on";
  const loaders = new Loaders({ client: peer.name, clients, channels, nats: nats.url, fallback });
  const balancer = new Balancer(loaders, options.check);
  const startServer = async () => {
    const server = await peer.start({ nats: nats.url, drainSeconds: drain });
    servers.push(server);
    return server;
  };
  try {
    for (let n = 0; n < scenario.servers; n++) await balancer.add(await startServer());
    await loaders.open(OPEN_TIMEOUT_MS);
    const feeder = new Feeder(nats.connection, channels);
    feeder.start(rate);
    await sleep(CALM_MS);
    const timing = {
      seconds: options.seconds,
      cutEverySeconds: options["cut-every"],
      awaySeconds: options.away,
      drainSeconds: drain,
    };
    const from = Date.now();
    const watch = new CoreWatch(() => ({
      servers: servers.flatMap(({ child }) => processTree(child.pid as number)),
      clients: loaders.pids,
      others: [nats.process.pid as number, process.pid],
    }));
    await scenario.run({ loaders, balancer, servers: [...servers], startServer, options: timing });
    await loaders.all("settle", { timeoutMs: SETTLE_MS });
    const cores = watch.stop();
    await sleep(AFTER_MS);
    await feeder.stop();
    await sleep(SETTLED_MS);
    return outcomeOf(scenario, peer, await loaders.finish(feeder.published), { from, cores });
  } finally {
    balancer.close();
    await loaders.dispose();
    for (const { child } of servers) await stop(child);
    await nats.connection.close();
    await stop(nats.process);
  }
}

async function main(): Promise<void> {
  const natsServer = await natsServerPath();
  const { cpu, cores, memoryGiB, node, kernel } = machine();
  console.log(
    `${cpu}, ${cores} cores shared by servers and clients, ${memoryGiB} GiB, Node ${node}, ${kernel}\n`,
  );
  const outcomes: Outcome[] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => options.scenarios.includes(name))) {
    const ofScenario: Outcome[] = [];
    for (const peer of PEERS.filter(({ name }) => options.only.includes(name)))
      ofScenario.push(await measure(scenario, peer, natsServer));
    console.log(`${scenario.title}\n${ofScenario[0]?.clients} clients, times from ${scenario.from}\n`);
    const titleOf = (name: string) => PEERS.find((peer) => peer.name === name)?.title ?? name;
    console.log(`${tableOf(ofScenario, titleOf)}\n`);
    for (const outcome of ofScenario) console.log(paceOf(outcome, titleOf(outcome.peer)));
    console.log();
    for (const { misses } of ofScenario) for (const miss of misses) console.log(`missed: ${miss}`);
    outcomes.push(...ofScenario);
  }
  const report = { machine: machine(), at: new Date().toISOString(), options, outcomes };
  console.log(`All figures: ${writeJson(options.json, report)}`);
  process.exitCode = outcomes.some(({ misses }) => misses.length > 0) ? 1 : 0;
}

await runAndExit(main);
