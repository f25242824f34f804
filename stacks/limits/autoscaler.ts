/** Settings of the autoscaler, as the stack's RegionAutoscaler has them. */
export interface Policy {
  min: number;
  max: number;
  /** Average CPU to keep, 0 to 1; undefined: the autoscaler ignores CPU. */
  cpuTarget: number | undefined;
  /** Average connections to keep. */
  connectionsTarget: number;
  /** Seconds for which the usage of a new VM adds no VMs (`cooldownPeriod`). */
  initializationSeconds: number;
  /** The size is at least the largest recommendation of this many seconds (`stabilizationPeriod`). */
  stabilizationSeconds: number;
  /** At most `most` VMs are removed in `windowSeconds`; undefined: no such limit. */
  scaleIn: { most: number; windowSeconds: number } | undefined;
}

/** Usage of one VM, as the autoscaler sees it. */
export interface Usage {
  /** Seconds since the VM was started. */
  age: number;
  connections: number;
  /** CPU, 0 to 1. */
  cpu: number;
}

/** Decides the size of a group of VMs. */
export interface Autoscaler {
  /**
   * Returns the size for a moment, which must be later than that of the call before.
   *
   * @param now in seconds
   * @param size VMs of the group, including those that boot
   * @param seen usage of the VMs that report metrics
   */
  decide(now: number, size: number, seen: Usage[]): number;
}

/**
 * Compute Engine's autoscaler as its documentation describes it. Each signal recommends sum / target VMs,
 * rounded up, and the largest recommendation wins. VMs are added at once. VMs are removed only when every
 * recommendation of the stabilization period allows the smaller size. The size never falls further below the
 * largest size of the scale-in control's window than that control allows. Sources:
 * cloud.google.com/compute/docs/autoscaler/understanding-autoscaler-decisions, …/multiple-signals, and the
 * API reference of AutoscalingPolicyScaleInControl. One assumption is not documented there: the usage of
 * starting VMs is ignored only when VMs are added.
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

/** Number of VMs with which no signal is above its target. 0 without usage. */
export function recommendation({ cpuTarget, connectionsTarget }: Policy, seen: Usage[]): number {
  const sum = (of: (usage: Usage) => number) => seen.reduce((total, usage) => total + of(usage), 0);
  const byConnections = vms(sum(({ connections }) => connections) / connectionsTarget);
  return cpuTarget === undefined
    ? byConnections
    : Math.max(byConnections, vms(sum(({ cpu }) => cpu) / cpuTarget));
}

/**
 * Rounds up, but ignores rounding errors of floating point: 3 × 0.4 / 0.6 is 2.0000000000000004 and means 2.
 */
function vms(exact: number): number {
  return Math.max(0, Math.ceil(exact - 1e-9));
}

function largest(list: { at: number; size: number }[], since: number): number {
  return list.reduce((most, { at, size }) => (at > since ? Math.max(most, size) : most), 0);
}

function clamp(size: number, { min, max }: Policy): number {
  return Math.min(max, Math.max(min, size));
}
