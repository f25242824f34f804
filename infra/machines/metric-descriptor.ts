import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";

/** What every gateway writes about itself each 30 s, on resource `gce_instance`: its connections. */
export const CONNECTIONS_METRIC = "custom.googleapis.com/odin_ws/connections";

/**
 * Declares the metric. The first point that is written would create it too, but the autoscaler would then ask for a metric that does
 * not exist until the first gateway is up, and only a declared one has a unit and a description.
 *
 * It belongs to the project: stacks that share a project share it. When one of them is destroyed, the next write of another one's
 * gateway creates it again.
 */
export function connectionsMetric(name: string, site: Site, opts: pulumi.CustomResourceOptions) {
  return new gcp.monitoring.MetricDescriptor(
    name,
    {
      project: site.project,
      type: CONNECTIONS_METRIC,
      displayName: "Gateway connections",
      description: "WebSocket connections of one gateway. The autoscaler compares its average with a target.",
      metricKind: "GAUGE", // the autoscaler averages a gauge over the last minutes
      valueType: "INT64",
      unit: "1",
    },
    opts,
  );
}
