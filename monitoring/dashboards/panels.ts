import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import {
  AxisPlacement,
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  LogsSortOrder,
  ReduceDataOptionsBuilder,
  ScaleDistribution,
  ScaleDistributionConfigBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  type DashboardLink,
  DashboardLinkBuilder,
  FieldColorBuilder,
  FieldColorModeId,
  type Panel,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { PanelBuilder as LogsBuilder } from "@grafana/grafana-foundation-sdk/logs";
import { DataqueryBuilder as LokiQuery } from "@grafana/grafana-foundation-sdk/loki";
import {
  DataqueryBuilder as PrometheusQuery,
  PromQueryFormat,
} from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TableBuilder } from "@grafana/grafana-foundation-sdk/table";
import { PanelBuilder as TimeSeriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import { LIMITS, type LimitName } from "../limits/reference-lines.ts";
import { DASHBOARD_UIDS, DATASOURCE_UIDS } from "./uids.ts";

/** Grafana's data sources. */
export const SOURCES = {
  prometheus: { type: "prometheus", uid: DATASOURCE_UIDS.prometheus },
  loki: { type: "loki", uid: DATASOURCE_UIDS.loki },
} as const;

/** Link from a gateway's line in a graph to the log lines of that gateway at that time. */
const LOGS_OF_GATEWAY = `/d/${DASHBOARD_UIDS.logs}?var-instance=\${__field.labels.instance}&\${__url_time_range}`;
/** Legend of a series that belongs to one gateway. */
export const GATEWAY = "{{instance}}";

/** Grafana's names of units. */
export type Unit =
  | "short"
  | "percent" // 80 is 80 %
  | "percentunit" // 0.8 is 80 %
  | "s"
  | "d"
  | "bytes"
  | "Bps"
  | "cps" // events a second
  | "mps" // messages a second
  | "currencyUSD"
  | "dateTimeAsIso"; // the value is in milliseconds since 1970

/** A line at one of the {@link LIMITS}. On the bad side of the line a number is red. */
export interface Line {
  limit: LimitName;
  bad: "above" | "below";
  /**
   * Factor for the limit's value, for example WS_MAX_CONNECTIONS for a limit that is a share of the
   * connections. Default: 1.
   */
  times?: number;
}

/** Kinds of panels without a line, and why a line makes no sense there. */
export const WITHOUT_LINE = {
  firing: "each alert of the list has a threshold of its own",
  lines: "log lines are read, not counted",
  volume: "the number of log lines depends on LOG_LEVEL",
  date: "a date has no fixed limit; the panel of days has a line",
  behaviour: "the value describes clients, and no value is bad",
  cost: "the owners of a deployment decide what it may cost",
  network: "what a machine of this type may send is not known",
  fleet: "the right value is the number of gateways that run",
  content: "the value depends on what the publishers send",
} as const;

export interface Query {
  expr: string;
  /** Name of a series in the legend. `{{label}}` is replaced by the value of a label. */
  legend?: string;
}

export interface PanelSpec {
  title: string;
  /** What the panel shows, and what its values mean. */
  description: string;
  unit: Unit;
  line: Line | keyof typeof WITHOUT_LINE;
  queries: Query[];
  /** Default: Prometheus. */
  source?: keyof typeof SOURCES;
  /** Number of columns out of 24. Default: 8 for a graph, 4 for a number. */
  width?: number;
  /** Number of grid rows. A row is 30 pixels high. */
  height?: number;
}

export interface GraphSpec extends PanelSpec {
  /** Draws the series on top of each other. */
  stacked?: boolean;
  /** Logarithmic axis, for values of very different size such as latencies. */
  logarithmic?: boolean;
}

export interface NumberSpec extends PanelSpec {
  /** Texts that replace some values. */
  mappings?: ValueMapping[];
  decimals?: number;
  /** What is shown when a query finds nothing. */
  noValue?: string;
}

/** The methods that the SDK's panel builders of all types share. */
interface CommonBuilder<Self> extends Builder<Panel> {
  title(title: string): Self;
  description(text: string): Self;
  unit(unit: string): Self;
  datasource(source: { type: string; uid: string }): Self;
  thresholds(thresholds: ThresholdsConfigBuilder): Self;
  span(width: number): Self;
  height(height: number): Self;
}

/**
 * Position of a line whose limit is 0. With `bad: "above"` the value 0 is still good, with `bad: "below"` the
 * value 0 is already bad: Grafana's own step at 0 would include 0 in the upper side.
 */
const JUST_ABOVE_ZERO = 1e-9;
const GREEN = "green";
const RED = "red";

/** A graph of values over time. */
export function graph(spec: GraphSpec): Builder<Panel> {
  const { line, queries, source = "prometheus" } = spec;
  const panel = common(new TimeSeriesBuilder(), spec, { width: 8, height: 8 })
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .lineWidth(1)
    .fillOpacity(spec.stacked === true ? 30 : 5)
    .axisPlacement(AxisPlacement.Auto);
  for (const [index, query] of queries.entries()) panel.withTarget(target(source, query, index, "range"));
  if (spec.stacked === true) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  if (spec.logarithmic === true) {
    panel.scaleDistribution(new ScaleDistributionConfigBuilder().type(ScaleDistribution.Log).log(10));
  } else {
    panel.axisSoftMin(0);
  }
  if (queries.some(({ legend }) => legend === GATEWAY)) {
    panel.dataLinks([new DashboardLinkBuilder("Logs of this gateway").url(LOGS_OF_GATEWAY)]);
  }
  if (typeof line === "string") return panel;
  const value = lineValue(line);
  // For shares the axis always reaches up to the line. For other units the axis does not, because values far
  // below the line would make a flat graph: the line appears only when the values come near.
  const relative = spec.unit === "percent" || spec.unit === "percentunit" || line.times !== undefined;
  if (relative && value > 0) panel.axisSoftMax(value);
  return panel.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
}

/** The latest value in large type. Several series appear side by side. */
export function number(spec: NumberSpec): Builder<Panel> {
  const { queries, source = "prometheus", mappings, decimals, noValue } = spec;
  const panel = common(new StatBuilder(), spec, { width: 4, height: 4 })
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(["lastNotNull"]).values(false).fields(""))
    .graphMode(BigValueGraphMode.None)
    .colorMode(typeof spec.line === "string" ? BigValueColorMode.None : BigValueColorMode.Background);
  for (const [index, query] of queries.entries()) panel.withTarget(target(source, query, index, "instant"));
  if (mappings !== undefined) panel.mappings(mappings);
  if (decimals !== undefined) panel.decimals(decimals);
  if (noValue !== undefined) panel.noValue(noValue);
  return panel;
}

/** A table of the current series and their labels. @param hidden columns that are not shown */
export function list(
  spec: PanelSpec & { hidden: readonly string[]; links: DashboardLink[] },
): Builder<Panel> {
  const panel = common(new TableBuilder(), spec, { width: 24, height: 6 })
    .dataLinks(
      spec.links.map((link) => new DashboardLinkBuilder(link.title).url(link.url ?? "").targetBlank(true)),
    )
    .withTransformation({
      id: "organize",
      options: { excludeByName: Object.fromEntries(spec.hidden.map((name) => [name, true])) },
    });
  for (const [index, query] of spec.queries.entries())
    panel.withTarget(target("prometheus", query, index, "table"));
  return panel;
}

/** Log lines from Loki, the newest first. */
export function logLines(spec: Omit<PanelSpec, "unit" | "line" | "source">): Builder<Panel> {
  const panel = common(
    new LogsBuilder(),
    { ...spec, unit: "short", line: "lines", source: "loki" },
    { width: 24, height: 12 },
  )
    .showTime(true)
    .showLabels(false)
    .showCommonLabels(false)
    .wrapLogMessage(true)
    .prettifyLogMessage(false)
    .enableLogDetails(true)
    .sortOrder(LogsSortOrder.Descending);
  for (const [index, query] of spec.queries.entries())
    panel.withTarget(target("loki", query, index, "range"));
  return panel;
}

/** Position of a line, in the panel's unit. */
export function lineValue({ limit, times = 1 }: Line): number {
  return Number((LIMITS[limit].value * times).toPrecision(12));
}

function common<Self extends CommonBuilder<Self>>(
  panel: Self,
  spec: PanelSpec,
  size: { width: number; height: number },
): Self {
  const { title, description, unit, line, source = "prometheus", width, height } = spec;
  checkUnit(spec);
  return panel
    .title(title)
    .description(typeof line === "string" ? `${description}\n\nNo line: ${WITHOUT_LINE[line]}.` : description)
    .unit(unit)
    .datasource(SOURCES[source])
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps(line)))
    .span(width ?? size.width)
    .height(height ?? size.height);
}

/** Units of panels in which a limit with this unit can be drawn. */
const FITTING_UNITS: Record<(typeof LIMITS)[LimitName]["unit"], readonly Unit[]> = {
  percent: ["percent"],
  percentunit: ["percentunit"],
  s: ["s"],
  bytes: ["bytes", "Bps"],
  short: ["short", "d", "cps", "mps"],
};

/** @throws Error when the line's limit has another unit than the panel */
function checkUnit({ title, unit, line }: PanelSpec): void {
  if (typeof line === "string") return;
  const { unit: own } = LIMITS[line.limit];
  // A share that is multiplied is a number or bytes; any other value keeps its unit.
  const multiplied = line.times !== undefined && own === "percentunit";
  const fitting = multiplied ? ["short", "bytes"] : FITTING_UNITS[own];
  if (fitting.includes(unit)) return;
  throw new Error(
    `panel "${title}" has the unit ${unit}, but its line ${line.limit} is in ${own}: choose a limit with a fitting unit`,
  );
}

/** Grafana's colour steps. The first step has no lower end. */
function steps(line: PanelSpec["line"]): { value: number | null; color: string }[] {
  if (typeof line === "string") return [{ value: null, color: "text" }];
  const [below, above] = line.bad === "above" ? [GREEN, RED] : [RED, GREEN];
  return [
    { value: null, color: below },
    { value: lineValue(line) || JUST_ABOVE_ZERO, color: above },
  ];
}

function target(
  source: keyof typeof SOURCES,
  { expr, legend }: Query,
  index: number,
  form: "range" | "instant" | "table",
) {
  const refId = String.fromCharCode("A".charCodeAt(0) + index);
  if (source === "loki") {
    const query = new LokiQuery()
      .refId(refId)
      .datasource(SOURCES.loki)
      .expr(expr)
      .queryType(form === "range" ? "range" : "instant");
    return legend === undefined ? query : query.legendFormat(legend);
  }
  const query = new PrometheusQuery().refId(refId).datasource(SOURCES.prometheus).expr(expr);
  if (form === "range") query.range();
  else query.instant();
  if (form === "table") query.format(PromQueryFormat.Table);
  return legend === undefined ? query : query.legendFormat(legend);
}
