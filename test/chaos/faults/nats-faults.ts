/** Faults of NATS servers and of the stream, of the publisher's connection, and of the key server. */

import { pause } from "../../harness/wait.ts";
import type { Fault } from "../schedule.ts";
import type { Site } from "../site/site.ts";
import { losePackets } from "./packets.ts";
import { whileStopped } from "./processes.ts";

/** Share of packets that are lost in each direction. */
const LOST = 0.1;

export const natsFaults = {
  "nats-kill": (site: Site, { target, lasts }: Fault) =>
    natsAlone(site, () => site.nats.restart(target, () => pause(lasts))),

  "nats-freeze": (site: Site, { target, lasts }: Fault) =>
    natsAlone(site, () => whileStopped([site.nats.servers[target]?.pid ?? 0], lasts)),

  "nats-loss": (site: Site, { target, lasts }: Fault) =>
    natsAlone(site, () => {
      const both = site.nats
        .portsOf(target)
        .flatMap((port) => [{ port, direction: "to" } as const, { port, direction: "from" } as const]);
      return losePackets(both, LOST, lasts);
    }),

  /** Somebody makes room and restarts the server: JetStream has ended itself without room. */
  "nats-disk-full": (site: Site, { target, lasts }: Fault) =>
    natsAlone(site, async () => {
      const makeRoom = await site.nats.fillDisk(target);
      await pause(lasts);
      await makeRoom();
      await site.nats.restart(target, async () => {});
    }),

  "leader-change": (site: Site) => natsAlone(site, () => site.nats.changeLeader()),
  "consumers-delete": (site: Site) => natsAlone(site, () => site.nats.deleteConsumers()),

  "stream-purge": (site: Site) =>
    natsAlone(site, async () => {
      site.losses.push(Date.now());
      await site.nats.purge();
      site.losses.push(Date.now());
    }),

  // Sequences begin again with 1. The publisher pauses, so that each sequence belongs to one of the streams.
  "stream-recreate": (site: Site) =>
    natsAlone(site, async () => {
      site.stopPublishing();
      try {
        await site.flush();
        site.losses.push(Date.now());
        await site.nats.recreateStream();
        site.losses.push(Date.now());
      } finally {
        site.startPublishing();
      }
    }),

  async "acks-lost"(site: Site, { lasts }: Fault) {
    await site.relays.whileAcksAreLost(lasts);
  },
  async "publisher-cut"(site: Site) {
    site.relays.cut();
  },

  async "keys-away"(site: Site, { lasts }: Fault) {
    await site.keys.whileAway(lasts);
  },
};

const turns = new WeakMap<Site, Promise<void>>();

/**
 * Faults of NATS wait for each other: a server that is down cannot be purged, and a cluster of three loses no
 * message only while one server at most is down.
 */
function natsAlone(site: Site, make: () => Promise<void>): Promise<void> {
  const turn = (turns.get(site) ?? Promise.resolve()).then(make);
  turns.set(
    site,
    turn.catch(() => {}),
  );
  return turn;
}
