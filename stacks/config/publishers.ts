import type { NatsPublisher } from "@odin-ws/infra";
import { z } from "zod";
import { entriesOf, Rejected } from "./values.ts";

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
