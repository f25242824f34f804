/** Machine types and disks of the VMs that no configuration chooses. */
export const MACHINES = {
  nats: { type: "e2-small", dataGib: 10 },
  monitoring: { type: "e2-small", dataGib: 30 },
  /** NATS, publisher and monitoring of a capacity test. */
  backend: { type: "e2-small", dataGib: 20 },
  /** Load generator of a capacity test. */
  runner: { type: "e2-standard-4" },
} as const;
