/** Makes each kind of fault, and ends it. */

import { STREAM } from "../harness/nats.ts";
import { pause } from "../harness/wait.ts";
import type { Fault, FaultName } from "./schedule.ts";
import type { Site } from "./site.ts";

/** Makes a fault and resolves when the fault is over and everything that it stopped runs again. */
type Make = (site: Site, fault: Fault) => Promise<void>;

/** Bytes after which a line is cut: most frames have 100 to 300. */
const CUT_WITHIN = 400;

export const MAKE: Record<FaultName, Make> = {
  "gateway-kill": (site, fault) => restart(site, fault, "SIGKILL"),
  "gateway-drain": (site, fault) => restart(site, fault, "SIGTERM"),

  async "gateway-freeze"(site, { target, lasts }) {
    const gateway = site.gateways[target];
    if (gateway === undefined) return;
    await whileStopped(
      gateway.process.processes().map(({ pid }) => pid),
      lasts,
    );
  },

  async "worker-kill"(site, { target, detail }) {
    const gateway = site.gateways[target];
    const workers = gateway?.process.processes().filter(({ pid }) => pid !== gateway.process.pid) ?? [];
    const worker = workers[Math.floor(detail * workers.length)];
    if (worker !== undefined) signal(worker.pid, "SIGKILL");
  },

  async "line-cut"(site, { target }) {
    site.lines[target]?.cut();
  },
  async "line-cut-in-frame"(site, { target, detail }) {
    site.lines[target]?.cutAfter(1 + Math.floor(detail * CUT_WITHIN));
  },
  async "line-stall"(site, { target, lasts }) {
    site.lines[target]?.stall();
    await pause(lasts);
  },
  async "line-refuse"(site, { target, lasts }) {
    const line = site.lines[target];
    if (line === undefined || line.refusing) return;
    line.refusing = true;
    line.cut();
    await pause(lasts);
    line.refusing = false;
  },
  async "line-slow"(site, { target, lasts }) {
    const line = site.lines[target];
    line?.throttle(true);
    await pause(lasts);
    line?.throttle(false);
  },

  "nats-kill": (site, { lasts }) =>
    natsAlone(site, async () => {
      await site.nats.kill();
      await pause(lasts);
      await site.nats.start();
    }),
  "nats-freeze": (site, { lasts }) => natsAlone(site, () => whileStopped([site.nats.pid], lasts)),
  "consumers-delete": (site) =>
    natsAlone(site, async () => {
      for await (const { name } of site.nats.jsm.consumers.list(STREAM))
        await site.nats.jsm.consumers.delete(STREAM, name);
    }),
  "stream-purge": (site) =>
    natsAlone(site, async () => {
      site.losses.push(Date.now());
      await site.nats.jsm.streams.purge(STREAM);
      site.losses.push(Date.now());
    }),
  // Sequences begin again with 1. The publisher pauses, so that each sequence belongs to one of the streams.
  "stream-recreate": (site) =>
    natsAlone(site, async () => {
      site.stopPublishing();
      await site.publisher.flush();
      site.losses.push(Date.now());
      await site.nats.recreateStream();
      site.losses.push(Date.now());
      site.startPublishing();
    }),

  async "client-move"(site, { target, detail }) {
    site.viewers[target]?.listen(site.watchlist(Math.floor(detail * 1000)));
  },
};

async function restart(site: Site, { target, lasts }: Fault, how: NodeJS.Signals): Promise<void> {
  const gateway = site.takeGateway(target);
  if (gateway === undefined) return;
  await gateway.stop(how, 20_000);
  await pause(lasts);
  await site.startGateway(target);
}

async function whileStopped(pids: readonly number[], ms: number): Promise<void> {
  for (const pid of pids) signal(pid, "SIGSTOP");
  await pause(ms);
  for (const pid of pids) signal(pid, "SIGCONT");
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Another fault has ended the process.
  }
}

const turns = new WeakMap<Site, Promise<void>>();

/** Faults of the one NATS server wait for each other: a server that is down cannot be purged. */
function natsAlone(site: Site, make: () => Promise<void>): Promise<void> {
  const turn = (turns.get(site) ?? Promise.resolve()).then(make);
  turns.set(
    site,
    turn.catch(() => {}),
  );
  return turn;
}
