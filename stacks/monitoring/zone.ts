import type { StackConfig } from "../config/config.ts";

/** The zone of the monitoring VM: a key of the configuration, or the first zone of the gateways. */
export function monitoringZone({ monitoringZone, zones }: StackConfig): string {
  return monitoringZone ?? zones[0] ?? "";
}
