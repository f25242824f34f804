import type { MonitoringOptions } from "../options.ts";
import { localAddress, type Ports } from "../services/ports.ts";

/** What runs on a laptop, where it differs from a plain `npm start`. */
export interface LocalSetup {
  /** `host:port` of the gateways' operations ports. Default: port 3002 of this machine. */
  gateways?: readonly string[];
  /**
   * Whether a NATS exporter runs on this machine. Default: false, because `npm start` simulates messages
   * without NATS.
   */
  nats?: boolean;
  /** Whether the publisher's service runs on this machine. Default: false. */
  publisher?: boolean;
  /** Ports that differ from the monitoring VM's ports. */
  ports?: Partial<Ports>;
}

// The gateway's defaults, which `npm start` does not change.
const MAX_CONNECTIONS = 10_000;
const MEMORY_LIMIT_BYTES = 7_516_192_768; // 7 GiB

/**
 * Options for monitoring gateways on this machine. There are no receivers: alerts are visible in Alertmanager
 * only.
 */
export function localOptions({
  gateways,
  nats = false,
  publisher = false,
  ports = {},
}: LocalSetup = {}): MonitoringOptions {
  return {
    kind: "local",
    stack: "local",
    gatewayTargets: gateways ?? [localAddress("gateway", ports)],
    publisher,
    natsMonitoring: nats ? ["nats"] : [],
    lokiUrl: `http://${localAddress("loki", ports)}`,
    memoryLimitBytes: MEMORY_LIMIT_BYTES,
    maxConnections: MAX_CONNECTIONS,
    monthlyPrices: { gateway: undefined, base: undefined, traffic: undefined },
    receivers: {},
    runbookUrl: "docs/runbook.md",
    grafanaUrl: `http://${localAddress("grafana", ports).replace("127.0.0.1", "localhost")}`,
    ports,
  };
}
