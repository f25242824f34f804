/** `npm run simulate`: runs random schedules, and shows the shortest one that fails. */

import { type Command, option, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { whole } from "@odin-ws/settings/values";
import { search } from "./search.ts";

const MAX_SEED = 2 ** 31 - 1;

const COMMAND = {
  name: "npm run simulate",
  usage: "npm run simulate -- [options]",
  about: `Runs the client library, the gateway and its reading of the stream in this process, on a simulated clock and network:
lines break, stall and become slow, gateways end and fall behind, the stream is purged, replaced, or goes back. Each
schedule of such steps takes a minute of simulated time. Checks that each client got each message once and in order,
and that no loss was silent. The same seed makes the same schedules.`,
  options: {
    seed: option(
      "N",
      whole(0, MAX_SEED)
        .default(Math.floor(Date.now() / 1000) % MAX_SEED)
        .describe("seed of the schedules (from the clock)"),
    ),
    schedules: option("N", whole(1, 10_000_000).default(1000).describe("schedules (1000)")),
  },
} satisfies Command;

const { seed, schedules } = valuesOrExit(COMMAND, readCommand(COMMAND, process.argv.slice(2)));
const start = performance.now();
const { failure, received, refetches } = await search(seed, schedules);
if (failure === undefined) {
  const minutes = (performance.now() - start) / 60_000;
  console.log(
    `seed ${seed}: ${schedules} schedules, ${Math.round(schedules / minutes)} a minute, ${received} messages received, ${refetches} losses reported, no violation`,
  );
} else {
  console.log(failure);
  process.exitCode = 1;
}
