import { counterValues, gaugeValues } from "../../testing/series.fixture.ts";
import { type AlertCase, counter, gauge, gaugeCase, STEP, seriesName } from "./alert-case.fixture.ts";

const GATEWAY_MACHINE = { job: "node", instance: "g1", role: "gateway" };
const ENTRANCE = { job: "entrance", instance: "live.example.com" };
const PROMETHEUS = { job: "prometheus", instance: "monitoring" };
const LOKI = { job: "loki", instance: "monitoring" };
const DISK = { job: "node", instance: "monitoring", mountpoint: "/mnt/disks/data" };

/** Cases of the alerts on the monitoring itself and on the TLS entrance. */
export const MONITORING_CASES: readonly AlertCase[] = [
  {
    alert: "DiskFillingUp",
    step: 300,
    series: {
      // 100 kB a second are written to a disk with 8 GB left
      [seriesName("node_filesystem_avail_bytes", DISK)]:
        `8000000000-30000000x50 ${gaugeValues(300, [15e9, 6000])}`,
      [seriesName("node_filesystem_size_bytes", DISK)]: gaugeValues(300, [20e9, 21_300]),
    },
    conditionAt: 10_800, // the alert needs three hours of data
    resolvedAt: 15_300,
    labels: DISK,
    description:
      "At the rate of the last 6h, -1.937GiB of /mnt/disks/data of monitoring will be left in 24 h.",
  },
  {
    alert: "LogsNotStored",
    step: 60,
    series: {
      [seriesName("loki_ingester_chunks_flush_failures_total", LOKI)]: counterValues(
        60,
        [0, 120],
        [0.1, 1200],
        [0, 900],
      ),
    },
    conditionAt: 120,
    resolvedAt: 1980,
    labels: LOKI,
    description:
      "For 15m Loki could not write to my-project-odin-prod-logs: 0.10 failures a second. It keeps the logs in memory and on its disk, and they are lost with the disk.",
  },
  {
    alert: "DiskNearlyFull",
    step: STEP,
    series: {
      [seriesName("node_filesystem_avail_bytes", DISK)]: gauge([5, 120], [4, 360], [50, 60]),
      [seriesName("node_filesystem_size_bytes", DISK)]: gauge([100, 540]),
    },
    conditionAt: 120,
    resolvedAt: 480,
    labels: DISK,
    description:
      "4% of /mnt/disks/data of monitoring is left (alert threshold: 5%). On a full disk monitoring stores no metrics and no logs, and NATS no messages.",
  },
  {
    alert: "CertificateExpiring",
    step: STEP,
    series: {
      [seriesName("probe_ssl_earliest_cert_expiry", ENTRANCE)]: gauge(
        [21 * 86_400 + 120, 3900],
        [90 * 86_400, 3660],
      ),
    },
    conditionAt: 135,
    resolvedAt: 7500, // renewed at 3900; the alert keeps firing for an hour
    labels: ENTRANCE,
    description:
      "The certificate expires in 20d 22h 59m 45s. From then on browsers cannot connect to wss://live.example.com.",
  },
  {
    alert: "KernelDropsConnections",
    step: STEP,
    series: {
      [seriesName("node_netstat_TcpExt_ListenDrops", GATEWAY_MACHINE)]: counter([0, 120], [1, 720], [0, 360]),
      [seriesName("node_netstat_TcpExt_TCPReqQFullDrop", GATEWAY_MACHINE)]: counter(
        [0, 120],
        [1, 720],
        [0, 360],
      ),
    },
    conditionAt: 270, // more than 1 a second on average over five minutes
    resolvedAt: 1140,
    labels: GATEWAY_MACHINE,
    description:
      "2.00 connections a second to g1 are dropped before a program accepts them (alert threshold: 1): clients wait seconds and try again.",
  },
  {
    alert: "ConntrackNearlyFull",
    step: STEP,
    series: {
      [seriesName("node_nf_conntrack_entries", GATEWAY_MACHINE)]: gauge([80, 120], [90, 360], [10, 60]),
      [seriesName("node_nf_conntrack_entries_limit", GATEWAY_MACHINE)]: gauge([100, 540]),
    },
    conditionAt: 120,
    resolvedAt: 480,
    labels: GATEWAY_MACHINE,
    description:
      "90% of the kernel's table of connections is in use (alert threshold: 80%). When the table is full, new connections get no answer.",
  },
  {
    alert: "MachineMemoryLow",
    step: STEP,
    series: {
      [seriesName("node_memory_MemAvailable_bytes", GATEWAY_MACHINE)]: gauge([5, 120], [4, 360], [50, 60]),
      [seriesName("node_memory_MemTotal_bytes", GATEWAY_MACHINE)]: gauge([100, 540]),
    },
    conditionAt: 120,
    resolvedAt: 480,
    labels: GATEWAY_MACHINE,
    description: "4% of the memory of g1 is available (alert threshold: 5%). The kernel will end a program.",
  },
  {
    alert: "EntranceBroken", // a failed probe reports no certificate
    step: STEP,
    series: {
      [seriesName("up", ENTRANCE)]: gauge([1, 540]),
      [seriesName("probe_success", ENTRANCE)]: gauge([1, 120], [0, 360], [1, 60]),
      [seriesName("probe_ssl_earliest_cert_expiry", ENTRANCE)]: gauge(
        [120, 120],
        [undefined, 360],
        [9e6, 60],
      ),
    },
    conditionAt: 120,
    resolvedAt: 480,
    labels: ENTRANCE,
    description:
      "probe_success has been 0 for 5m: no TLS handshake with live.example.com succeeds. Either its certificate has expired or is not valid, or nothing answers.",
  },
  {
    alert: "DiscoveryFailing",
    step: STEP,
    series: {
      [seriesName("prometheus_sd_refresh_failures_total", { ...PROMETHEUS, mechanism: "gce" })]: counter(
        [0, 120],
        [1 / 30, 660],
        [0, 360],
      ),
    },
    conditionAt: 120,
    resolvedAt: 1080,
    labels: { mechanism: "gce" },
    description:
      "10 requests to Google Cloud (gce) have failed in 5m: new gateways are not monitored, and deleted gateways count as down.",
  },
  {
    alert: "RulesFailing",
    step: STEP,
    series: {
      [seriesName("prometheus_rule_evaluation_failures_total", {
        ...PROMETHEUS,
        rule_group: "a.yml;odin-slos",
      })]: counter([0, 120], [1 / 15, 360], [0, 360]),
    },
    conditionAt: 120,
    resolvedAt: 780,
    labels: { rule_group: "a.yml;odin-slos" },
    description: "20 evaluations of a.yml;odin-slos have failed in 5m: the alerts of this group cannot fire.",
  },
  gaugeCase(
    "TargetDown",
    "up",
    [1, 0, 1],
    300,
    "up is 0 for loki monitoring: alerts and dashboards that need its metrics have no data.",
    { job: "loki", instance: "monitoring" },
  ),
  ...["prometheus", "alertmanager"].map((job) =>
    gaugeCase(
      "ConfigurationRefused",
      `${job}_config_last_reload_successful`,
      [1, 0, 1],
      300,
      `The last reload of ${job} failed (success is 0): ${job} keeps its old configuration, and changes have no effect.`,
      { job, instance: "monitoring" },
    ),
  ),
  {
    alert: "NotificationsFailing",
    step: STEP,
    series: {
      [seriesName("alertmanager_notifications_failed_total", { job: "alertmanager", integration: "email" })]:
        counter([0, 120], [0.1, 360], [0, 360]),
    },
    conditionAt: 120,
    resolvedAt: 780,
    labels: { integration: "email" },
    description: "0.10 notifications a second by email fail: this receiver gets no alerts.",
  },
];
