/** The command line of `npm run chaos`. */

import { type Command, option, readCommand } from "@odin-ws/settings/command-line";
import { choice, listOf, whole } from "@odin-ws/settings/values";
import { FAULT_NAMES } from "./schedule.ts";

const MAX_SEED = 2 ** 31 - 1;

const kinds = () => listOf(choice(FAULT_NAMES));

export const chaosCommand = {
  name: "npm run chaos",
  usage: "npm run chaos -- [options]",
  about: `Runs a publisher, nats-server, gateways behind a load balancer, and clients of the library on this machine. Makes
faults by chance, several at once: processes end, freeze and restart; lines break, stall, lose packets and become slow;
disks and descriptors run out; the stream is purged and replaced. Checks that each client got each message once and in
order, that no loss was silent, and that all clients are complete within 10 s of the last fault. The same seed makes the
same faults. Faults of packets and disks need Linux and root: the command makes network and mount namespaces of its own.`,
  options: {
    seed: option(
      "N",
      whole(0, MAX_SEED)
        .default(Math.floor(Date.now() / 1000) % MAX_SEED)
        .describe("seed of the faults (from the clock)"),
    ),
    minutes: option("M", whole(1, 600).default(5).describe("length of the run (5)")),
    faults: option(
      "KINDS",
      kinds()
        .default([])
        .describe(`only these kinds of faults: ${FAULT_NAMES.join(",")}`),
    ),
    clients: option("N", whole(1, 2000).default(100).describe("clients (100)")),
    nats: option(
      "N",
      choice(["1", "3"]).optional().describe("NATS servers (3 for an odd seed, 1 for an even one)"),
    ),
    gateways: option("N", whole(2, 8).default(3).describe("gateways (3)")),
    workers: option("N", whole(1, 8).default(2).describe("processes of each gateway (2)")),
    channels: option(
      "N",
      whole(4, 1000).default(40).describe("channels on which messages are published (40)"),
    ),
    rate: option("N", whole(1, 5000).default(100).describe("messages a second (100)")),
    runs: option(
      "N",
      whole(0, 1000)
        .default(10)
        .describe("runs in which a shorter list of faults is sought after a failure (10)"),
    ),
  },
} satisfies Command;

/** Reads the arguments after the script's name. */
export const readChaosOptions = (args: readonly string[]) => readCommand(chaosCommand, args);
