import { DISKS, JOB, OTHER_METRIC } from "../limits/metrics.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import { graph } from "./panels.ts";

const DAY = 24 * 3600;
const ON_MACHINES = `job="${JOB.machine}"`;
const MACHINE = "{{instance}}";

/** Panels on all machines: what the kernel of gateways, NATS servers and monitoring reports. */
export function machinePanels() {
  const onDisks = `{${ON_MACHINES},mountpoint=~"${DISKS}"}`;
  const disk = "{{instance}} {{mountpoint}}";
  const rate = (metric: string, matchers = "") =>
    `sum by (instance) (rate(${metric}{${ON_MACHINES}${matchers}}[$__rate_interval]))`;
  return [
    graph({
      title: "CPU of machines",
      description:
        "Share of all cores in use, with the system, Docker and the log shipper. A gateway's own share is in its row.",
      unit: "percentunit",
      line: { limit: "machineCpu", bad: "above" },
      queries: [
        {
          expr: `1 - avg by (instance) (rate(${OTHER_METRIC.machineCpu}{${ON_MACHINES},mode="idle"}[$__rate_interval]))`,
          legend: MACHINE,
        },
      ],
    }),
    graph({
      title: "Available memory of machines",
      description:
        "Share of the memory that programs can still get. Below the line the kernel may end a program.",
      unit: "percentunit",
      line: { limit: "machineMemory", bad: "below" },
      queries: [
        {
          expr: `${OTHER_METRIC.machineMemoryAvailable}{${ON_MACHINES}} / ${OTHER_METRIC.machineMemory}{${ON_MACHINES}}`,
          legend: MACHINE,
        },
      ],
    }),
    graph({
      title: "Network of machines",
      description: "Bytes a second that a machine receives and sends.",
      unit: "Bps",
      line: { limit: "bytesSent", bad: "above" },
      queries: [
        { expr: rate(OTHER_METRIC.machineReceived, ',device!="lo"'), legend: `${MACHINE} in` },
        { expr: rate(OTHER_METRIC.machineSent, ',device!="lo"'), legend: `${MACHINE} out` },
      ],
    }),
    graph({
      title: "TCP sockets",
      description:
        "Open TCP sockets of a machine. A gateway has one for each client. The line is the limit of files.",
      unit: "short",
      line: { limit: "openFiles", bad: "above" },
      queries: [{ expr: `${OTHER_METRIC.machineSockets}{${ON_MACHINES}}`, legend: MACHINE }],
    }),
    graph({
      title: "Dropped and deferred connections",
      description:
        "Connections a second. drops: dropped before a program accepted them; overflows: the program accepts too slowly; SYN drops: too many at once; cookies: answered without memory for them.",
      unit: "cps",
      line: { limit: "kernelDrops", bad: "above" },
      queries: [
        { expr: rate(OTHER_METRIC.listenDrops), legend: `${MACHINE} drops` },
        { expr: rate(OTHER_METRIC.listenOverflows), legend: `${MACHINE} overflows` },
        { expr: rate(OTHER_METRIC.synDrops), legend: `${MACHINE} SYN drops` },
        { expr: rate(OTHER_METRIC.synCookies), legend: `${MACHINE} cookies` },
      ],
    }),
    graph({
      title: "Table of connections (conntrack)",
      description:
        "Share of the kernel's table in use. When the table is full, new connections get no answer.",
      unit: "percentunit",
      line: { limit: "conntrack", bad: "above" },
      queries: [
        {
          expr: `${OTHER_METRIC.conntrack}{${ON_MACHINES}} / ${OTHER_METRIC.conntrackLimit}{${ON_MACHINES}}`,
          legend: MACHINE,
        },
      ],
    }),
    graph({
      title: "Free disk space",
      description:
        "Free share of the machines' disks. On a full disk monitoring stores no metrics, and NATS stores no messages.",
      unit: "percentunit",
      line: { limit: "diskLeft", bad: "below" },
      queries: [
        {
          expr: `${OTHER_METRIC.diskAvailable}${onDisks} / ${OTHER_METRIC.diskSize}${onDisks}`,
          legend: disk,
        },
      ],
    }),
    graph({
      title: "Free disk space in 24 h",
      description: `Predicted free bytes in 24 h at the rate of the last ${T.diskFull.window}. The alert fires only if less than ${T.diskFull.freeBelow * 100} % of the disk are free now.`,
      unit: "bytes",
      line: { limit: "diskFull", bad: "below" },
      queries: [
        {
          expr: `predict_linear(${OTHER_METRIC.diskAvailable}${onDisks}[${T.diskFull.window}], ${DAY})`,
          legend: disk,
        },
      ],
    }),
  ];
}
