import { type AlertCase, G1, gauge, STEP, seriesName } from "./alert-case.fixture.ts";

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
];
