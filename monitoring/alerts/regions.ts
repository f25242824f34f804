import { LABEL, METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { type Alert, TEMPLATE, timingAndSeverity } from "./alert.ts";

const REGION = "{{ $labels.region }}";

/** Alerts on whole regions; none for a deployment in one region. */
export function regionAlerts({ regions }: MonitoringOptions): Alert[] {
  if (regions === undefined) return [];
  const { value, window } = T.regionGateways;
  const up = RECORD.regionGatewaysUp;
  return [
    {
      name: "RegionWithoutGateways",
      // AllGatewaysDown reports the loss of all regions.
      expr: `${up} <= ${value} and on (region) max_over_time(${up}[${window}]) > ${value} and on () ${RECORD.gatewaysUp} > ${T.gatewaysUp.value}`,
      ...timingAndSeverity(T.regionGateways),
      summary: `No gateway of ${REGION} answers`,
      description: `${TEMPLATE.value} gateways of ${REGION} have answered Prometheus for ${T.regionGateways.for}. Clients of the TLS entrance use the other regions, which need room for them; clients of the region's own address cannot connect.`,
      dashboard: "operations",
    },
    {
      name: "RegionCutOff",
      expr: `max by (${LABEL.region}) (${METRIC.regionConnected}) <= ${T.regionConnected.value}`,
      ...timingAndSeverity(T.regionConnected),
      summary: `${REGION} is cut off from the home region`,
      description: `ws_region_connected is ${TEMPLATE.value} on all gateways of ${REGION}: no new message arrives there from the home region. The gateways serve what they have.`,
      dashboard: "operations",
    },
    {
      name: "RegionLag",
      expr: `max by (${LABEL.region}) (${METRIC.regionLag}) > ${T.regionLag.value}`,
      ...timingAndSeverity(T.regionLag),
      summary: `${REGION} is behind the home region`,
      description: `${REGION} has ${TEMPLATE.value} messages less than the home region (alert threshold: ${T.regionLag.value}). Its clients get messages late.`,
      dashboard: "operations",
    },
  ];
}
