/** TCP ports of the programs of the monitoring and of their targets. */
export interface Ports {
  /** The gateway's `/metrics`. */
  gateway: number;
  prometheus: number;
  alertmanager: number;
  loki: number;
  /** Loki's parts call each other there. No other machine uses it. */
  lokiGrpc: number;
  grafana: number;
  natsExporter: number;
  /** The publisher's service. */
  publisher: number;
  /** NATS servers: their clients' port. */
  nats: number;
  /** Alloy's HTTP server, which has the metrics of its exporters. */
  alloy: number;
}

/** Ports on the monitoring VM. Its start-up scripts repeat these numbers. */
export const PORTS: Ports = {
  gateway: 3002,
  prometheus: 9090,
  alertmanager: 9093,
  loki: 3100,
  lokiGrpc: 9095,
  grafana: 3010,
  natsExporter: 7777,
  publisher: 3003,
  nats: 4222,
  alloy: 12345,
};

/** `127.0.0.1:PORT` of a program on the same machine. */
export function localAddress(name: keyof Ports, ports: Partial<Ports> = {}): string {
  return `127.0.0.1:${{ ...PORTS, ...ports }[name]}`;
}
