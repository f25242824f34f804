/** Waits until a VM has started; runs on the machine that deploys. */
export const STARTUP_CHECK = "npm run --silent await-startup";

/** Waits until all gateways run the new template; runs on the machine that deploys. */
export const ROLLOUT_CHECK = "npm run --silent await-rollout";

/** Tries a new template on gateways of their own; runs on the machine that deploys. */
export const CANARY_CHECK = "npm run --silent canary";

/** Empties the gateways' group of a region that is removed; runs on the machine that deploys. */
export const DRAIN = "npm run --silent drain-region";

/** Machine types and data disks of the VMs for which the configuration has no key. */
export const MACHINES = {
  nats: { type: "e2-small", dataGib: 10 },
  monitoring: { type: "e2-small", dataGib: 30 },
  /** NATS, publisher and monitoring of a capacity test. */
  backend: { type: "e2-small", dataGib: 20 },
  /** Load generator of a capacity test. */
  runner: { type: "e2-standard-4" },
} as const;
