import { type AlertCase, G1, gauge, gaugeCase, STEP, seriesName } from "./alert-case.fixture.ts";

const HOME = { ...G1, region: "us-central1" };
const EUROPE = { ...G1, instance: "g2", region: "europe-west1" };

/** Cases of the alerts on regions. */
export const REGION_CASES: readonly AlertCase[] = [
  {
    alert: "RegionWithoutGateways",
    step: STEP,
    series: {
      [seriesName("up", HOME)]: gauge([1, 900]),
      // The VMs disappear from Google's list, and others come.
      [seriesName("up", EUROPE)]: gauge([1, 120], [0, 240], [undefined, 300], [1, 120]),
    },
    conditionAt: 120,
    resolvedAt: 660,
    labels: { region: "europe-west1" },
    description:
      "0 gateways of europe-west1 have answered Prometheus for 5m. Clients of the TLS entrance use the other regions, which need room for them; clients of the region's own address cannot connect.",
  },
  {
    alert: "RegionCutOff",
    step: STEP,
    series: {
      [seriesName("ws_region_connected", HOME)]: gauge([1, 600]),
      [seriesName("ws_region_connected", EUROPE)]: gauge([1, 120], [0, 180], [1, 60]),
      // One gateway that lost its own connection is not a region that is cut off.
      [seriesName("ws_region_connected", { ...EUROPE, instance: "g3" })]: gauge([0, 300], [1, 60]),
    },
    conditionAt: 120,
    resolvedAt: 300,
    labels: { region: "europe-west1" },
    description:
      "ws_region_connected is 0 on all gateways of europe-west1: no new message arrives there from the home region. The gateways serve what they have.",
  },
  gaugeCase(
    "RegionLag",
    "ws_region_lag_messages",
    [1000, 1001, 0],
    120,
    "europe-west1 has 1.001k messages less than the home region (alert threshold: 1000). Its clients get messages late.",
    { region: "europe-west1" },
  ),
];
