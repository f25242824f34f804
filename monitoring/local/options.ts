import type { MonitoringOptions } from "../options.ts";
import { localAddress, type Ports } from "../services/ports.ts";

/** What a laptop runs, as far as it is not what `npm start` does by itself. */
export interface LocalSetup {
  /** `host:port` of the gateways' operations ports. Default: port 3002 of this machine. */
  gateways?: readonly string[];
  /** Whether an exporter beside Prometheus reads the state of a NATS server. Default: there is no NATS, messages are simulated. */
  nats?: boolean;
  /** Where the programs listen, where not as on the monitoring VM. */
  ports?: Partial<Ports>;
}

// The gateway's own defaults, which `npm start` leaves as they are.
const MAX_CONNECTIONS = 10_000;
const MEMORY_LIMIT_BYTES = 7_516_192_768; // 7 GiB

/** The same monitoring as in the cloud, of what runs on this machine. Nobody is told of alerts: Alertmanager shows them. */
export function localOptions({ gateways, nats = false, ports = {} }: LocalSetup = {}): MonitoringOptions {
  return {
    kind: "local",
    stack: "local",
    gatewayTargets: gateways ?? [localAddress("gateway", ports)],
    natsMonitoring: nats ? ["nats"] : [],
    lokiUrl: `http://${localAddress("loki", ports)}`,
    memoryLimitBytes: MEMORY_LIMIT_BYTES,
    maxConnections: MAX_CONNECTIONS,
    hourlyPrices: { gateway: 0, base: 0 },
    receivers: {},
    runbookUrl: "docs/runbook.md",
    grafanaUrl: `http://${localAddress("grafana", ports).replace("127.0.0.1", "localhost")}`,
    ports,
  };
}
