import type { Moment, Scenario } from "./simulator.ts";
import { holds, simulate } from "./simulator.ts";

/** The result of a simulation of a stack's limits. */
export interface Answer {
  scenario: Scenario;
  moments: Moment[];
  /** Most clients at once. */
  peak: number;
  /** Gateways that hold the peak at the targets. */
  needed: number;
  /** Gateways that hold the peak when each one is full. */
  leastPossible: number;
  /**
   * Minute in which the group has the needed gateways in service, or its maximum if that is less; undefined:
   * never.
   */
  readyMinute: number | undefined;
  refused: Refused;
  /** Clients whose gateway was removed. */
  reconnects: number;
  /** Settings with which nobody is refused; undefined when nothing has to change. */
  remedy: Remedy | undefined;
}

/** Clients that no gateway accepted. */
export interface Refused {
  /** Most refused clients at once. */
  most: number;
  /** First and last minute with a refused client; undefined: never. */
  from: number | undefined;
  to: number | undefined;
  /** Clients times minutes of waiting. */
  clientMinutes: number;
}

/** Settings to change before the demand comes. Each of the three alone is enough. */
export interface Remedy {
  /** A higher maximum, if that alone is enough. */
  max: number | undefined;
  /** A higher minimum: gateways that run from the beginning. */
  ahead: { min: number; max: number } | undefined;
  /** The highest target of connections with which the autoscaler adds gateways early enough. */
  earlier: { connectionsTarget: number; max: number } | undefined;
}

const TARGET_STEP = 500; // connections between two targets that are tried

/** Simulates the scenario. When clients are refused, it looks for settings with which none would be. */
export function answer(scenario: Scenario): Answer {
  const moments = simulate(scenario);
  const { policy, gateway, curve } = scenario;
  const peak = Math.round(Math.max(...curve.map(({ connections }) => connections)));
  const cpuShare = (gateway.cpuWhenFull ?? 0) / gateway.maxConnections; // CPU of one connection
  const byCpu = policy.cpuTarget === undefined ? 0 : (peak * cpuShare) / policy.cpuTarget;
  const needed = Math.max(policy.min, 1, Math.ceil(Math.max(peak / policy.connectionsTarget, byCpu) - 1e-9));
  const ready = moments.find(({ serving }) => serving >= Math.min(needed, policy.max));
  const refused = refusedOf(moments);
  return {
    scenario,
    moments,
    peak,
    needed,
    leastPossible: Math.max(1, Math.ceil(peak / holds(gateway))),
    readyMinute: ready && minute(ready),
    refused,
    reconnects: moments.reduce((total, moment) => total + moment.reconnects, 0),
    remedy:
      refused.most > 0 || needed > policy.max
        ? remedyFor(scenario, peak, Math.max(policy.max, needed))
        : undefined,
  };
}

function remedyFor(scenario: Scenario, peak: number, max: number): Remedy {
  const { policy } = scenario;
  const isEnough = (changed: Partial<typeof policy>) =>
    refusedOf(simulate({ ...scenario, policy: { ...policy, max, ...changed } })).most === 0;
  if (isEnough({})) return { max, ahead: undefined, earlier: undefined };
  const sizes = Array.from({ length: max - policy.min }, (_, index) => policy.min + index + 1);
  const min = sizes.find((size) => isEnough({ min: size }));
  const highest = Math.ceil(policy.connectionsTarget / TARGET_STEP) - 1;
  const targets = Array.from({ length: Math.max(0, highest) }, (_, index) => (highest - index) * TARGET_STEP);
  const earlier = targets
    .map((connectionsTarget) => ({
      connectionsTarget,
      max: Math.max(max, Math.ceil(peak / connectionsTarget)),
    }))
    .find(isEnough);
  return { max: undefined, ahead: min === undefined ? undefined : { min, max }, earlier };
}

function refusedOf(moments: Moment[]): Refused {
  const some = moments.filter(({ refused }) => refused > 0);
  const [first, last] = [some[0], some.at(-1)];
  const step = (moments[1]?.at ?? 0) - (moments[0]?.at ?? 0);
  return {
    most: some.reduce((most, { refused }) => Math.max(most, refused), 0),
    from: first && minute(first),
    to: last && minute(last),
    clientMinutes: Math.round((some.reduce((total, { refused }) => total + refused, 0) * step) / 60),
  };
}

const minute = ({ at }: Moment) => Math.round(at / 6) / 10; // rounded to a tenth of a minute
