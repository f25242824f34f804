import type { Values } from "./keys.ts";
import { overlap } from "./ranges.ts";
import type { Mistake } from "./values.ts";

/** Keys that only the stack's own NATS servers use, with a sentence's end. */
const OWN_NATS_KEYS = ["publisherNetworks", "publisherRanges", "natsPublicRanges", "publishers"] as const;

/** Mistakes in the keys of backends that publish to the stack's own NATS servers. */
export function publisherMistakes(values: Partial<Values>): Mistake[] {
  const { kind, nats, publishers = {}, natsPublicRanges = [], publisherNetworks = [] } = values;
  const { publisherRanges = [], networkRange } = values;
  if (kind === "capacity-test" || nats === "synadia")
    return OWN_NATS_KEYS.filter((key) => Object.keys(values[key] ?? {}).length > 0).map(
      (key) =>
        `${key} is set: only a service with its own NATS servers (nats single or cluster) uses this key, pulumi config rm ${key}`,
    );
  const outside = Object.entries(publishers).filter(([, { outside }]) => outside);
  return [
    ...(natsPublicRanges.length > 0
      ? []
      : outside.map(
          ([name]) =>
            `publishers.${name}.outside is true: NATS has no public address, set natsPublicRanges to the ranges that this publisher connects from`,
        )),
    ...natsPublicRanges
      .filter((range) => PRIVATE.some((other) => overlap(range, other)))
      .map((range) => `natsPublicRanges has ${range}, which is internal: use publisherRanges`),
    ...(publisherNetworks.length === 0 || networkRange === undefined
      ? []
      : publisherRanges
          .filter((range) => overlap(range, networkRange))
          // Beside ranges of the peered network, the own range is for Cloud Run in the stack's network.
          .filter((range) => range !== networkRange || publisherRanges.length === 1)
          .map(
            (range) =>
              `publisherRanges has ${range}, which overlaps networkRange ${networkRange}: Google refuses a peering of networks whose ranges overlap`,
          )),
  ];
}

const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
