/** What happens in a simulation, step by step. */

import fc from "fast-check";

export const GATEWAYS = 2;
export const CLIENTS = 3;
/** Channels with messages of each priority. */
export const CHANNELS = ["S0.trade", "S1.social", "S2.metadata", "S3.balances", "S4.trade"] as const;

const LONGEST_WAIT_MS = 3000;
const MAX_STEPS = 12;

/** One step: `wait` milliseconds after the one before. Gateways, clients and channels are given by number. */
export type Step = { wait: number } & (
  | { name: "publish"; channel: number; count: number }
  | { name: "cut" | "die"; client: number }
  | { name: "stall" | "block"; client: number; ms: number }
  | { name: "move"; client: number; from: number }
  | { name: "kill"; gateway: number; ms: number }
  | { name: "drain"; gateway: number; ms: number }
  | { name: "restart-consumer"; gateway: number }
  | { name: "repeat"; gateway: number; count: number }
  | { name: "lag"; gateway: number; ms: number }
  | { name: "nats-away" | "tokens-away"; ms: number }
  | { name: "purge" | "recreate" }
  | { name: "go-back"; count: number; ms: number }
);

export interface Schedule {
  /** Seed of the latencies, the waits of the clients and the choices of the load balancer. */
  chance: number;
  steps: readonly Step[];
}

const client = fc.nat(CLIENTS - 1);
const gateway = fc.nat(GATEWAYS - 1);
const wait = fc.nat(LONGEST_WAIT_MS);
const between = (min: number, max: number) => fc.integer({ min, max });
/** A step with these fields, as often as its weight says. */
const step = <Name extends Step["name"]>(
  weight: number,
  name: Name,
  fields: Record<string, fc.Arbitrary<number>> = {},
) => ({
  weight,
  arbitrary: fc.record({ wait, name: fc.constant(name), ...fields }) as unknown as fc.Arbitrary<Step>,
});

const STEP: fc.Arbitrary<Step> = fc.oneof(
  step(6, "publish", { channel: fc.nat(CHANNELS.length - 1), count: between(1, 60) }),
  step(6, "cut", { client }),
  step(2, "die", { client }),
  step(3, "stall", { client, ms: between(50, 4000) }),
  step(5, "block", { client, ms: between(100, 6000) }),
  step(4, "move", { client, from: fc.nat(CHANNELS.length - 1) }),
  step(3, "kill", { gateway, ms: between(0, 3000) }),
  step(2, "drain", { gateway, ms: between(0, 3000) }),
  step(2, "restart-consumer", { gateway }),
  step(2, "repeat", { gateway, count: between(1, 20) }),
  step(3, "lag", { gateway, ms: between(50, 2000) }),
  step(2, "nats-away", { ms: between(50, 3000) }),
  step(2, "tokens-away", { ms: between(500, 8000) }),
  step(2, "purge"),
  step(2, "recreate"),
  step(1, "go-back", { count: between(1, 10), ms: between(50, 3000) }),
);

export const SCHEDULE: fc.Arbitrary<Schedule> = fc.record({
  chance: fc.nat(2 ** 31 - 1),
  steps: fc.array(STEP, { minLength: 1, maxLength: MAX_STEPS, size: "max" }),
});

/** One line for people. */
export function describe({ wait, name, ...fields }: Step): string {
  const details = Object.entries(fields).map(([key, value]) => ` ${key} ${value}`);
  return `${String(wait).padStart(6)} ms later: ${name}${details.join("")}`;
}
