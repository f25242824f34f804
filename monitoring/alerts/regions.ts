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
  ];
}
