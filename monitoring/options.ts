import type { Ports } from "./services/ports.ts";

/**
 * What differs between deployments. The options contain no setting of the autoscaler, so a change of such a
 * setting changes no file.
 */
export interface MonitoringOptions {
  /**
   * - `service`: Prometheus finds gateways in Google Cloud by the labels of their VMs
   * - `capacity-test`: the same, with one gateway; NATS and the publisher run on the same VM as Prometheus
   * - `local`: gateways with fixed addresses on this machine
   */
  kind: "service" | "capacity-test" | "local";
  /** Name of the deployment, for example `prod`: value of the label `stack` of its VMs and of its alerts. */
  stack: string;
  /** Google Cloud project in which Prometheus looks for gateways. Not for `local`. */
  project?: string;
  /** For example `us-central1`. Not for `local`. */
  region?: string;
  /** Zones of the gateways of all regions, for example `us-central1-a`. Not for `local`. */
  zones?: readonly string[];
  /**
   * Regions that must have gateways, when there are several: metrics then have the label `region`. Default:
   * all gateways are in `region`.
   */
  regions?: readonly string[];
  /**
   * The publisher's service runs on this machine. Default: false. Only for `local`; the capacity test always
   * has the service.
   */
  publisher?: boolean;
  /** `host:3002` of the gateways; only for `local`. */
  gatewayTargets?: readonly string[];
  /**
   * Names of the deployment's own NATS servers. Only their number matters: the start-up script gives the NATS
   * exporter their addresses. Empty if somebody else runs NATS: then only the gateways report whether NATS is
   * reachable.
   */
  natsMonitoring: readonly string[];
  /** When the credentials for NATS elsewhere expire, in seconds since 1970. Default: never, or not known. */
  natsCredentialsEnd?: number;
  /**
   * URL of Loki for Grafana, for example `http://127.0.0.1:3100`. Log shippers get theirs from the variable
   * LOKI_URL.
   */
  lokiUrl: string;
  /** Bucket for Loki's chunks and index. Default: Loki keeps them on its disk. */
  logBucket?: string;
  /** WS_MEMORY_LIMIT of the gateways. */
  memoryLimitBytes: number;
  /** WS_MAX_CONNECTIONS of the gateways. */
  maxConnections: number;
  /** WS_CPU_LIMIT of the gateways, cores. Default: 1.9, as on an e2-standard-2. */
  cpuLimit?: number;
  /** Bits a second that a gateway's machine may send. Default: 4 Gbit/s, as for an e2-standard-2. */
  egressBits?: number | "unknown";
  monthlyPrices: MonthlyPrices;
  receivers: Receivers;
  /**
   * URL of the runbook, for example `https://example.com/docs/runbook.md`. Links add `#section`. With a file
   * path the links do not work.
   */
  runbookUrl: string;
  /** Base URL of Grafana without a slash at its end, for example `http://localhost:3010`. */
  grafanaUrl: string;
  /** Host name of the TLS entrance. With a domain there are alerts on the entrance and its certificate. */
  domain?: string;
  /** Ports that differ from the monitoring VM's ports. Only for `local`. */
  ports?: Partial<Ports>;
}

/** Prices in US dollars a month. Undefined: unknown, because a part has no price. */
export interface MonthlyPrices {
  /** One gateway: its VM and its disk. */
  gateway: number | undefined;
  /** Everything else together, which does not depend on the number of gateways. */
  base: number | undefined;
  /** Traffic to the clients: the price of a GiB from each volume on, ascending from 0. */
  traffic: readonly TrafficPrice[] | undefined;
}

export interface TrafficPrice {
  /** GiB of the month above which this price counts. */
  fromGib: number;
  /** US dollars for one GiB. */
  usd: number;
}

/** Who receives alerts. Without receivers, alerts are visible only in Alertmanager and Grafana. */
export interface Receivers {
  /** URL to which Alertmanager posts its JSON. */
  webhook?: Confidential;
  /** Integration key of PagerDuty's Events API v2. */
  pagerduty?: Confidential;
  /** URL of an incoming webhook of Slack, which belongs to one channel. */
  slack?: Confidential;
}

/**
 * A secret: the path of its file on the machine that uses the secret, or, for tests and laptops, the secret
 * itself.
 */
export type Confidential = { file: string } | { value: string };

/** True when the publisher's service runs on the machine of Prometheus. */
export function runsPublisher({ kind, publisher = false }: MonitoringOptions): boolean {
  return kind === "capacity-test" || (kind === "local" && publisher);
}
