/** TCP ports of the deployment. */
export const PORTS = {
  /** Browsers: `/ws`. */
  clients: 3004,
  /** The gateway's `/health`, `/live`, `/metrics`, `/stats`. */
  ops: 3002,
  /** The capacity test's publisher. */
  publisher: 3003,
  nats: 4222,
  natsMonitoring: 8222,
  /** Between the servers of a NATS cluster. */
  natsCluster: 6222,
  /** Servers of other regions, at the home region's servers. */
  natsLeaf: 7422,
  grafana: 3010,
  prometheus: 9090,
  loki: 3100,
  alertmanager: 9093,
  /** Metrics of a machine, from the HTTP server of its log shipper. */
  machine: 12345,
  ssh: 22,
} as const;

/** Ranges of Google's probes and proxies. Source: the reference of the load balancers' firewall rules. */
export const RANGES = {
  everyone: "0.0.0.0/0",
  /** Health checks of the passthrough load balancer. */
  passthroughProbes: ["35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"],
  /** Autohealing's probes, and the proxies and probes of the application load balancer. */
  proxies: ["35.191.0.0/16", "130.211.0.0/22"],
  /** Identity-Aware Proxy's TCP forwarding. */
  iap: "35.235.240.0/20",
} as const;

/**
 * Name of the clients' port in the instance group. Proxy load balancers find the port by this name;
 * passthrough load balancers keep the port of the packet.
 */
export const CLIENT_PORT_NAME = "ws";
