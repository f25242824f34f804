import { gaugeValues } from "../../testing/series.fixture.ts";
import { type AlertCase, counter, gauge, gaugeCase, of, STEP } from "./alert-case.fixture.ts";

const ENTRANCE = { job: "entrance", instance: "live.example.com" };
const PROMETHEUS = { job: "prometheus", instance: "monitoring" };
const DISK = { job: "node", instance: "monitoring", mountpoint: "/mnt/disks/data" };

/** What makes the alerts on what watches fire. */
export const MONITORING_CASES: readonly AlertCase[] = [
  {
    alert: "DiskFillingUp",
    step: 300,
    series: {
      // 100 kB a second of the 8 GB that are left
      [of("node_filesystem_avail_bytes", DISK)]: `8000000000-30000000x50 ${gaugeValues(300, [15e9, 6000])}`,
      [of("node_filesystem_size_bytes", DISK)]: gaugeValues(300, [20e9, 21_300]),
    },
    beyond: 10_800, // three hours of data
    over: 15_300,
    labels: DISK,
    description:
      "In 24 h /mnt/disks/data of monitoring would have -1.937GiB left, if it goes on like in the last 6h.",
  },
  {
    alert: "DiskNearlyFull",
    step: STEP,
    series: {
      [of("node_filesystem_avail_bytes", DISK)]: gauge([5, 120], [4, 360], [50, 60]),
      [of("node_filesystem_size_bytes", DISK)]: gauge([100, 540]),
    },
    beyond: 120,
    over: 480,
    labels: DISK,
    description:
      "4% of /mnt/disks/data of monitoring is left (limit of the alert: 5%). Without room neither metrics nor logs are kept, and alerts end.",
  },
  {
    alert: "CertificateExpiring",
    step: STEP,
    series: {
      [of("probe_ssl_earliest_cert_expiry", ENTRANCE)]: gauge([21 * 86_400 + 120, 3900], [90 * 86_400, 3660]),
    },
    beyond: 135,
    over: 7500, // renewed at 3900, and an hour
    labels: ENTRANCE,
    description: "It ends in 20d 22h 59m 45s. Then no browser connects by wss://live.example.com any more.",
  },
  {
    alert: "EntranceBroken", // a failed probe has no certificate either
    step: STEP,
    series: {
      [of("up", ENTRANCE)]: gauge([1, 540]),
      [of("probe_success", ENTRANCE)]: gauge([1, 120], [0, 360], [1, 60]),
      [of("probe_ssl_earliest_cert_expiry", ENTRANCE)]: gauge([120, 120], [undefined, 360], [9e6, 60]),
    },
    beyond: 120,
    over: 480,
    labels: ENTRANCE,
    description:
      "probe_success is 0 for 5m: no TLS handshake with live.example.com succeeds; its certificate has ended or is not valid, or nothing answers.",
  },
  {
    alert: "DiscoveryFailing",
    step: STEP,
    series: {
      [of("prometheus_sd_refresh_failures_total", { ...PROMETHEUS, mechanism: "gce" })]: counter(
        [0, 120],
        [1 / 30, 660],
        [0, 360],
      ),
    },
    beyond: 120,
    over: 1080,
    labels: { mechanism: "gce" },
    description:
      "10 questions to Google Cloud (gce) have failed in 5m: new gateways are not watched, and those that are gone count as down.",
  },
  {
    alert: "RulesFailing",
    step: STEP,
    series: {
      [of("prometheus_rule_evaluation_failures_total", { ...PROMETHEUS, rule_group: "a.yml;odin-slos" })]:
        counter([0, 120], [1 / 15, 360], [0, 360]),
    },
    beyond: 120,
    over: 780,
    labels: { rule_group: "a.yml;odin-slos" },
    description: "20 evaluations of a.yml;odin-slos have failed in 5m: its alerts cannot fire.",
  },
  gaugeCase(
    "TargetDown",
    "up",
    [1, 0, 1],
    300,
    "up is 0 for loki monitoring: what alerts and dashboards take from it is missing.",
    { job: "loki", instance: "monitoring" },
  ),
  ...["prometheus", "alertmanager"].map((job) =>
    gaugeCase(
      "ConfigurationRefused",
      `${job}_config_last_reload_successful`,
      [1, 0, 1],
      300,
      `The last reload of ${job} gave 0: it goes on with what it had, and changes have no effect.`,
      { job, instance: "monitoring" },
    ),
  ),
  {
    alert: "NotificationsFailing",
    step: STEP,
    series: {
      [of("alertmanager_notifications_failed_total", { job: "alertmanager", integration: "email" })]: counter(
        [0, 120],
        [0.1, 360],
        [0, 360],
      ),
    },
    beyond: 120,
    over: 780,
    labels: { integration: "email" },
    description: "0.10 notifications a second by email fail.",
  },
];
