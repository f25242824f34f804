import type { Ports } from "./services/ports.ts";

/** What differs from one deployment to the next. Nothing of the autoscaler is in it: a changed limit changes no file. */
export interface MonitoringOptions {
  /**
   * - `service`: gateways are found in Google Cloud, by the labels of their VMs
   * - `capacity-test`: so is the one gateway; NATS and the publisher run beside Prometheus
   * - `local`: a gateway on this machine
   */
  kind: "service" | "capacity-test" | "local";
  /** Name of the deployment, for example `prod`: value of the label `stack` of its VMs, and of everything that is stored. */
  stack: string;
  /** Google Cloud project in which Prometheus looks for gateways. Not for `local`. */
  project?: string;
  /** For example `us-central1`. Not for `local`. */
  region?: string;
  /** Zones of the gateways, for example `us-central1-a`. Not for `local`. */
  zones?: readonly string[];
  /** `host:3002` of the gateways; only for `local`. */
  gatewayTargets?: readonly string[];
  /**
   * Our own NATS servers, as the exporter beside Prometheus calls them; it is told their addresses by who starts it. Empty: NATS is
   * somebody else's, and only the gateways tell whether it is there.
   */
  natsMonitoring: readonly string[];
  /** Where Grafana asks, for example `http://127.0.0.1:3100`. Log shippers are told by who starts them. */
  lokiUrl: string;
  /** WS_MEMORY_LIMIT of the gateways. */
  memoryLimitBytes: number;
  /** WS_MAX_CONNECTIONS of the gateways. */
  maxConnections: number;
  hourlyPrices: HourlyPrices;
  receivers: Receivers;
  /** The document with a section for each alert, for example `https://example.com/docs/runbook.md`; links add `#section`. A path names it, and is no link. */
  runbookUrl: string;
  /** Without a slash at its end, for example `http://localhost:3010`. */
  grafanaUrl: string;
  /** Host name of the TLS entrance, whose certificate is watched then. */
  domain?: string;
  /** File with a URL that is called every minute while alerting works. Default: Google Cloud's own watch is all there is. */
  watchdogWebhookFile?: string;
  /** Where the programs listen, as far as not as on the monitoring VM. Only for `local`. */
  ports?: Partial<Ports>;
}

/** US dollars an hour. */
export interface HourlyPrices {
  /** One gateway: its VM and its disk. */
  gateway: number;
  /** All the rest together, which does not grow with the number of gateways. */
  base: number;
}

/** Who is told of alerts. None: they are seen in Alertmanager and Grafana only. */
export interface Receivers {
  email?: {
    to: string;
    from: string;
    /** `host:port` of the mail server. */
    smarthost: string;
    username?: string;
    password?: Confidential;
  };
  /** URL that gets Alertmanager's JSON. */
  webhook?: Confidential;
  /** Integration key of PagerDuty's Events API v2. */
  pagerduty?: Confidential;
  slack?: {
    /** URL of an incoming webhook. */
    url: Confidential;
    /** For example `#alerts`. Default: the one that the webhook was made for; most know no other. */
    channel?: string;
  };
}

/** A secret: where it is on the machine that uses it, or itself, which is for tests and laptops. */
export type Confidential = { file: string } | { value: string };
