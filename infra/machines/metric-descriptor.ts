import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";

/** Number of connections, which every gateway writes for itself every 30 s, on resource `gce_instance`. */
export const CONNECTIONS_METRIC = "custom.googleapis.com/odin_ws/connections";

/**
 * Declares the metric. The first point that a gateway writes would create the metric too, but until then the
 * autoscaler would ask for a metric that does not exist, and only a declared metric has a unit and a
 * description.
 *
 * The metric belongs to the project, so stacks that share a project share the metric. When one of these
 * stacks is destroyed, the metric is deleted, and the next write of another stack's gateway creates it again.
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
