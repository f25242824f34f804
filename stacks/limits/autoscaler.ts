/** What the autoscaler is told; as the stack's RegionAutoscaler. */
export interface Policy {
  min: number;
  max: number;
  /** Average CPU to keep, 0 to 1; undefined: not a signal. */
  cpuTarget: number | undefined;
  /** Average connections to keep. */
  connectionsTarget: number;
  /** Seconds in which a new VM's usage is not counted when VMs are added (`cooldownPeriod`). */
  initializationSeconds: number;
  /** Seconds whose largest recommendation holds (`stabilizationPeriod`). */
  stabilizationSeconds: number;
  /** At most so many VMs are taken away in `windowSeconds`; undefined: no such control. */
  scaleIn: { most: number; windowSeconds: number } | undefined;
}

/** What the autoscaler sees of one VM. */
export interface Usage {
  /** Seconds since the VM was started. */
  age: number;
  connections: number;
  /** CPU, 0 to 1. */
  cpu: number;
}

/** Decides sizes. Each call is a later moment than the one before. */
export interface Autoscaler {
  /** @param now in seconds @param size VMs of the group, also those that boot @param seen VMs that report, as the metrics show them */
  decide(now: number, size: number, seen: Usage[]): number;
}

/**
 * Compute Engine's autoscaler as its documentation describes it. Each signal recommends sum / target VMs, rounded up, and the largest
 * recommendation wins. VMs are added at once; they are taken away only when every recommendation of the stabilization period allows it,
 * and at most as many as the scale-in control allows below the largest recommendation of its window. Sources:
 * cloud.google.com/compute/docs/autoscaler/understanding-autoscaler-decisions, …/multiple-signals, and the API reference of
 * AutoscalingPolicyScaleInControl. That the usage of starting VMs is left out only when VMs are added is not documented in these.
 */
export function createAutoscaler(policy: Policy): Autoscaler {
  const recommended: { at: number; size: number }[] = [];
  const final: { at: number; size: number }[] = [];
  const keep = Math.max(policy.stabilizationSeconds, policy.scaleIn?.windowSeconds ?? 0);
  return {
    decide(now, size, seen) {
      const initialized = seen.filter(({ age }) => age >= policy.initializationSeconds);
      const out = recommendation(policy, initialized);
      const raw = clamp(out > size ? out : Math.min(size, recommendation(policy, seen)), policy);
      const stable = Math.max(raw, largest(recommended, now - policy.stabilizationSeconds));
      recommended.push({ at: now, size: raw });
      const { scaleIn } = policy;
      const floor = scaleIn ? largest(final, now - scaleIn.windowSeconds) - scaleIn.most : 0;
      const decided = clamp(Math.max(stable, floor), policy);
      final.push({ at: now, size: decided });
      for (const list of [recommended, final]) {
        while (list[0] && list[0].at < now - keep) list.shift();
      }
      return decided;
    },
  };
}

/** VMs that keep every signal at its target: the largest of what each one needs. 0 without usage. */
export function recommendation({ cpuTarget, connectionsTarget }: Policy, seen: Usage[]): number {
  const sum = (of: (usage: Usage) => number) => seen.reduce((total, usage) => total + of(usage), 0);
  const byConnections = vms(sum(({ connections }) => connections) / connectionsTarget);
  return cpuTarget === undefined
    ? byConnections
    : Math.max(byConnections, vms(sum(({ cpu }) => cpu) / cpuTarget));
}

/** Rounds up, except for what floating point adds to a whole number: 3 × 0.4 / 0.6 is 2.0000000000000004. */
function vms(exact: number): number {
  return Math.max(0, Math.ceil(exact - 1e-9));
}

function largest(list: { at: number; size: number }[], since: number): number {
  return list.reduce((most, { at, size }) => (at > since ? Math.max(most, size) : most), 0);
}

function clamp(size: number, { min, max }: Policy): number {
  return Math.min(max, Math.max(min, size));
}
