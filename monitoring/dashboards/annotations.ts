import { AnnotationQueryBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { JOB, METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS } from "../limits/thresholds.ts";
import { SOURCES } from "./panels.ts";

const GATEWAYS = `${OTHER_METRIC.up}{job="${JOB.gateway}"}`;
/** Longer than the time between the start of a new gateway and the drain of the gateway that it replaces. */
const ROLLOUT = "10m";

/**
 * Marks of events in the fleet. Grafana draws a mark where a query returns 1 or more. No metric has the
 * version of a gateway: a rollout is a time in which new gateways appear while others drain, because scaling
 * does only one of both.
 */
export function fleetAnnotations(): AnnotationQueryBuilder[] {
  const appeared = `count(${GATEWAYS} unless ${GATEWAYS} offset ${ROLLOUT})`;
  const draining = `max_over_time(${METRIC.draining}[${ROLLOUT}])`;
  const { window } = THRESHOLDS.autoscaling;
  return [
    annotation(
      "Autoscaling",
      "blue",
      `abs(${RECORD.gateways} - ${RECORD.gateways} offset ${window}) > 0`,
      "The number of gateways has changed",
    ),
    annotation(
      "Rollout",
      "purple",
      `${appeared} > 0 and on() max(${draining}) > 0`,
      "New gateways start while others drain",
    ),
    annotation(
      "Drain",
      "orange",
      `sum(${METRIC.draining}) > 0`,
      "Gateways drain: they send their clients to other gateways",
    ),
    annotation(
      "Restart",
      "red",
      `resets(${OTHER_METRIC.cpuSeconds}{job="${JOB.gateway}"}[1m]) > 0`,
      "{{instance}} has restarted on its VM",
    ),
  ];
}

function annotation(name: string, color: string, expr: string, title: string): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(name)
    .enable(true)
    .iconColor(color)
    .datasource(SOURCES.prometheus)
    .titleFormat(title)
    .target(new DataqueryBuilder().refId("Anno").expr(expr).interval("1m").range());
}
