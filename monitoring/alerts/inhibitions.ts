/**
 * While the source alert fires, Alertmanager sends no notifications of the target alerts, because they are
 * its consequences.
 */
export interface Inhibition {
  source: { alertname: string; severity?: string };
  targets: { alertnames: readonly string[]; severity?: string };
  /** Labels that must have the same values on both alerts. */
  equal: readonly string[];
}

export const INHIBITIONS: readonly Inhibition[] = [
  // Alerts on all gateways together, and on NATS servers: a server that is down is the usual cause, and the
  // runbook's section on NatsUnreachable begins with the servers.
  {
    source: { alertname: "NatsUnreachable" },
    targets: {
      alertnames: [
        "NatsServerDown",
        "NatsSlowConsumer",
        "JetstreamNearlyFull",
        "StreamSilent",
        "LatencySloBurn",
      ],
    },
    equal: ["stack"],
  },
  // Alerts on the same gateway only: other gateways may have a problem of their own.
  {
    source: { alertname: "NatsUnreachable" },
    targets: { alertnames: ["NatsLag", "HighLatency", "HighDropRate", "UserLimitAlone"] },
    equal: ["stack", "instance"],
  },
  {
    source: { alertname: "PublisherDisconnected" },
    targets: {
      alertnames: ["PublisherQueueFilling", "PublisherLosesEvents", "PublisherSlow", "StreamSilent"],
    },
    equal: ["stack"],
  },
  {
    source: { alertname: "AllGatewaysDown" },
    targets: { alertnames: ["GatewayDown"] },
    equal: ["stack"],
  },
  {
    source: { alertname: "RegionWithoutGateways" },
    targets: { alertnames: ["GatewayDown"] },
    equal: ["stack", "region"],
  },
  {
    source: { alertname: "RegionCutOff" },
    targets: { alertnames: ["RegionLag"] },
    equal: ["stack", "region"],
  },
  // A machine that is gone has no metrics of its own either.
  {
    source: { alertname: "GatewayDown" },
    targets: { alertnames: ["TargetDown"] },
    equal: ["stack", "instance"],
  },
  {
    source: { alertname: "ConnectionsRejected" },
    targets: { alertnames: ["ConnectionSloBurn", "CapacityNearlyFull"] },
    equal: ["stack"],
  },
  ...["ConnectionSloBurn", "LatencySloBurn"].map((alertname) => ({
    source: { alertname, severity: "critical" },
    targets: { alertnames: [alertname], severity: "warning" },
    equal: ["stack"],
  })),
  {
    source: { alertname: "DiskNearlyFull" },
    targets: { alertnames: ["DiskFillingUp"] },
    equal: ["stack", "instance", "mountpoint"],
  },
];
