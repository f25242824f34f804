/** TCP ports of what monitoring runs and asks. */
export interface Ports {
  /** The gateway's `/metrics`. */
  gateway: number;
  prometheus: number;
  alertmanager: number;
  loki: number;
  grafana: number;
  natsExporter: number;
  /** Alloy's own HTTP server: its exporters' metrics. */
  alloy: number;
}

/** As on the monitoring VM, whose start-up scripts have the same numbers. */
export const PORTS: Ports = {
  gateway: 3002,
  prometheus: 9090,
  alertmanager: 9093,
  loki: 3100,
  grafana: 3010,
  natsExporter: 7777,
  alloy: 12345,
};

/** `127.0.0.1:PORT` of a program beside Prometheus. */
export function localAddress(name: keyof Ports, ports: Partial<Ports> = {}): string {
  return `127.0.0.1:${{ ...PORTS, ...ports }[name]}`;
}
