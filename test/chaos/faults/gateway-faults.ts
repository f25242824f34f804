/** Faults of gateways: their processes, their networks and their resources. */

import { pause } from "../../harness/wait.ts";
import type { Fault } from "../schedule.ts";
import type { Site } from "../site/site.ts";
import { losePackets } from "./packets.ts";
import { signal, whileOutOfFiles, whileStopped } from "./processes.ts";

/** Share of the packets that a bad network loses: on the way there and back, a third in all. */
const LOST = 0.2;
/** The smallest that the gateway takes. Its processes have more, so it accepts no client. */
const LITTLE_MEMORY = { WS_MEMORY_LIMIT: "67108864" };
/** Longest time for the end of a gateway after SIGTERM, ms. */
const STOP_MS = 20_000;

export const gatewayFaults = {
  "gateway-kill": (site: Site, fault: Fault) => replace(site, fault, "SIGKILL"),
  "gateway-drain": (site: Site, fault: Fault) => replace(site, fault, "SIGTERM"),

  async "gateway-freeze"(site: Site, { target, lasts }: Fault) {
    await whileStopped(pidsOf(site, target), lasts);
  },

  async "gateway-loss"(site: Site, { target, lasts }: Fault) {
    const gateway = site.gateways[target];
    if (gateway === undefined) return;
    const { wsPort: port } = gateway;
    const both = [{ port, direction: "to" } as const, { port, direction: "from" } as const];
    await losePackets(both, LOST, lasts);
  },

  /** All packets to the gateway are lost, or all packets from it. */
  async "gateway-one-way"(site: Site, { target, lasts, detail }: Fault) {
    const gateway = site.gateways[target];
    if (gateway === undefined) return;
    const direction = detail < 0.5 ? "to" : "from";
    await losePackets(
      [gateway.wsPort, gateway.opsPort].map((port) => ({ port, direction })),
      1,
      lasts,
    );
  },

  async "gateway-files"(site: Site, { target, lasts }: Fault) {
    await whileOutOfFiles(pidsOf(site, target), lasts);
  },

  /** The gateway comes back with less memory than it has already, and then with enough. */
  async "gateway-memory"(site: Site, { target, lasts }: Fault) {
    const gateway = site.takeGateway(target);
    if (gateway === undefined) return;
    await gateway.stop("SIGTERM", STOP_MS);
    const full = await site.startGateway(target, LITTLE_MEMORY);
    await pause(lasts);
    await full.stop("SIGTERM", STOP_MS);
    await site.startGateway(target);
  },

  /** The clock is set, and set back. */
  async "gateway-clock"(site: Site, { target, lasts }: Fault) {
    const pids = pidsOf(site, target);
    for (const pid of pids) signal(pid, "SIGUSR2");
    await pause(lasts);
    for (const pid of pids) signal(pid, "SIGUSR2");
  },

  async "worker-kill"(site: Site, { target, detail }: Fault) {
    const [, ...workers] = pidsOf(site, target);
    const pid = workers[Math.floor(detail * workers.length)];
    if (pid !== undefined) signal(pid, "SIGKILL");
  },
};

/** The first process, and then its workers. */
function pidsOf(site: Site, target: number): number[] {
  return site.gateways[target]?.process.processes().map(({ pid }) => pid) ?? [];
}

async function replace(site: Site, { target, lasts }: Fault, how: NodeJS.Signals): Promise<void> {
  const gateway = site.takeGateway(target);
  if (gateway === undefined) return;
  await gateway.stop(how, STOP_MS);
  await pause(lasts);
  await site.startGateway(target);
}
