import {
  AnnotationQueryBuilder,
  CustomVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { JOB, METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS } from "../limits/thresholds.ts";
import { SOURCES } from "./panels.ts";

/** Matcher of the chosen gateways: all, until some are chosen. */
export const CHOSEN = 'instance=~"$instance"';

/** The gateways that exist now or did in the time on the screen. */
export function gatewayVariable(): QueryVariableBuilder {
  return new QueryVariableBuilder("instance")
    .label("Gateway")
    .description("Gateways that are shown one by one; sums are of all of them")
    .datasource(SOURCES.prometheus)
    .query(`label_values(${OTHER_METRIC.up}{job="${JOB.gateway}"}, instance)`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue(".*")
    .current({ selected: true, text: ["All"], value: ["$__all"] });
}

/** A value to type in. */
export function textVariable(
  name: string,
  label: string,
  description: string,
  value: string,
): TextBoxVariableBuilder {
  const option = { selected: true, text: value, value };
  return new TextBoxVariableBuilder(name)
    .label(label)
    .description(description)
    .defaultValue(value)
    .current(option)
    .options([option]);
}

/** One of a few values. @param values the first is chosen at the start */
export function choiceVariable(
  name: string,
  label: string,
  description: string,
  values: readonly string[],
): CustomVariableBuilder {
  const [first = ""] = values;
  return new CustomVariableBuilder(name)
    .label(label)
    .description(description)
    .values(values.join(","))
    .current({ selected: true, text: first, value: first })
    .options(values.map((value) => ({ selected: value === first, text: value, value })));
}

const GATEWAYS = `${OTHER_METRIC.up}{job="${JOB.gateway}"}`;
/** Longer than from a new gateway's start to the old one's drain. */
const ROLLOUT = "10m";

/**
 * What happened to the fleet. There is no metric of the version, and none is needed: a rollout replaces VMs, so that gateways appear while
 * others are sent away. Scaling does one of both. Grafana draws values from 1 on.
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
      "Gateways start while others are drained",
    ),
    annotation("Drain", "orange", `sum(${METRIC.draining}) > 0`, "Gateways send their clients away"),
    annotation(
      "Restart",
      "red",
      `resets(${OTHER_METRIC.cpuSeconds}{job="${JOB.gateway}"}[1m]) > 0`,
      "{{instance}} has started anew on its VM",
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
