import { LABEL, METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { graph } from "./panels.ts";

const legend = "{{region}}";

/** Panels that compare the regions of a deployment. */
export function regionPanels() {
  return [
    graph({
      title: "Gateways up, by region",
      description:
        "Gateways that answer Prometheus. A region at 0 serves nobody: its clients use the other regions.",
      unit: "short",
      line: { limit: "regionGateways", bad: "below" },
      queries: [{ expr: RECORD.regionGatewaysUp, legend }],
    }),
    graph({
      title: "Connections, by region",
      description:
        "Open connections. When one line falls and another one rises by as much, clients moved to another region.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: RECORD.regionConnections, legend }],
    }),
    graph({
      title: "Capacity used, by region",
      description:
        "Open connections divided by the connections that the running gateways of the region accept. A full region sends new clients to the next one.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: RECORD.regionConnectionsUsed, legend }],
    }),
    graph({
      title: "Behind the home region, by region",
      description:
        "Messages that the home region has and the region has not. A line that rises without end: the link between the regions is cut or too slow.",
      unit: "short",
      line: { limit: "regionLag", bad: "above" },
      queries: [{ expr: `max by (${LABEL.region}) (${METRIC.regionLag})`, legend }],
    }),
    graph({
      title: "Connected to the home region",
      description: "1 while at least one gateway of the region hears the home region, otherwise 0.",
      unit: "short",
      line: { limit: "regionConnected", bad: "below" },
      queries: [{ expr: `max by (${LABEL.region}) (${METRIC.regionConnected})`, legend }],
    }),
    graph({
      title: "Latency, p99, by region",
      description:
        "Time from publishing to the write into the socket, 99th percentile. The way from the home region is part of it.",
      unit: "s",
      line: { limit: "latency", bad: "above" },
      queries: [{ expr: RECORD.regionLatency, legend }],
    }),
  ];
}
