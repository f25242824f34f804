import type { NatsPublisher } from "@odin-ws/infra";
import { z } from "zod";
import type { Values } from "./keys.ts";
import { overlap } from "./ranges.ts";
import { entriesOf, type Mistake, Rejected } from "./values.ts";

/** Names of users; a dash and a number at the end would be another login of a publisher. */
const NAME = /^(?!gateway$|cluster$)[a-z][a-z0-9-]{0,30}(?<!-\d+)(?<!-)$/;
const SUBJECT = /^odin\.(?:(?:[A-Za-z0-9_-]+|\*)\.)*(?:[A-Za-z0-9_-]+|\*|>)$/;
const MEMBER = /^(?:serviceAccount:|user:|group:|principal:\/\/|principalSet:\/\/)\S+$/;
const MAX_LOGINS = 3;

const different = <Item>(items: Item[]) => new Set(items).size === items.length;

const PUBLISHER = z.strictObject({
  subjects: z
    .array(z.string().regex(SUBJECT, "has a subject that does not begin with odin. or is not valid"))
    .min(1, "is empty")
    .default(["odin.>"]),
  logins: z
    .array(z.int("must have whole numbers").min(1, "must have numbers from 1 on").max(999_999))
    .min(1, "is empty")
    .max(MAX_LOGINS, `has more than ${MAX_LOGINS} numbers`)
    .refine(different, "has a number twice")
    .default([1]),
  readers: z
    .array(
      z
        .string()
        .regex(MEMBER, "must have IAM members, such as serviceAccount:NAME@PROJECT.iam.gserviceaccount.com"),
    )
    .refine(different, "has a member twice")
    .default([]),
  outside: z.boolean("must be true or false").default(false),
});

/** Reads the key `publishers`: a map of publishers by name. */
export function publishers(text: string): Record<string, NatsPublisher> {
  const entries = entriesOf(
    text,
    "a map of publishers by name, for example market: { subjects: [odin.token.*.trade] }",
  );
  const read: Record<string, NatsPublisher> = {};
  for (const [name, value] of entries) {
    if (!NAME.test(name))
      throw new Rejected(
        `names of lower-case letters, digits and dashes that are not gateway or cluster and do not end with a dash and a number, not ${name}`,
      );
    const { data, error } = PUBLISHER.safeParse(value ?? {});
    if (error !== undefined) {
      const [issue] = error.issues;
      const field = issue?.path[0] === undefined ? name : `${name}.${String(issue.path[0])}`;
      throw new Rejected(`subjects, logins, readers and outside, and ${field} ${issue?.message}`);
    }
    read[name] = data;
  }
  return read;
}

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
          .map(
            (range) =>
              `publisherRanges has ${range}, which overlaps networkRange ${networkRange}: Google refuses a peering of networks whose ranges overlap`,
          )),
  ];
}

const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
