/** A query of a dashboard as Grafana sends it: variables are replaced by their values. */
export interface DashboardQuery {
  /** Path of the dashboard's file. */
  path: string;
  /**
   * Which part of the dashboard sends the query: `panel "Connections" A`, `variable instance`, `annotation
   * Rollout`.
   */
  where: string;
  source: "prometheus" | "loki";
  expr: string;
  /** Whether the query is for one point in time. Otherwise it is for a range. */
  instant: boolean;
}

/** Values of Grafana's own variables, for a time range of an hour and a scrape interval of 15 s. */
const BUILT_IN: Record<string, string> = {
  __interval: "15s",
  __rate_interval: "1m",
  __range: "1h",
  __range_s: "3600",
  __auto: "1m",
};

/** The parts of a dashboard's JSON that are read here. */
interface Board {
  panels?: Panel[];
  templating?: { list?: Variable[] };
  annotations?: { list?: { name: string; datasource?: Source; target?: Target }[] };
}

interface Panel {
  title?: string;
  datasource?: Source;
  targets?: Target[];
  panels?: Panel[];
}

interface Target {
  refId?: string;
  expr?: string;
  instant?: boolean;
  queryType?: string;
  datasource?: Source;
}

interface Source {
  type?: string;
}

interface Variable {
  name: string;
  type: string;
  query?: string | Record<string, unknown>;
  datasource?: Source;
  allValue?: string;
  current?: { value: string | string[] };
}

/**
 * All queries of the dashboards: of panels, of variables (with a query in place of `label_values`) and of
 * annotations.
 *
 * @param files the dashboards' JSON by path; other files are ignored
 * @param values values of variables by name, without `$`. Default: the first value on the dashboard, and `.*`
 * for "all"
 * @throws Error when a query uses a variable without a value
 */
export function dashboardQueries(
  files: Record<string, string>,
  values: Record<string, string> = {},
): DashboardQuery[] {
  return Object.entries(files)
    .filter(([path]) => path.startsWith("grafana/dashboards/") && path.endsWith(".json"))
    .flatMap(([path, content]) => queriesOf(path, JSON.parse(content), values));
}

function queriesOf(path: string, board: Board, values: Record<string, string>): DashboardQuery[] {
  const variables = board.templating?.list ?? [];
  const known = { ...BUILT_IN, ...Object.fromEntries(variables.map(startValue)), ...values };
  const query = (where: string, target: Target, datasource: Source | undefined): DashboardQuery => ({
    path,
    where,
    source: sourceOf(target.datasource ?? datasource, `${path}, ${where}`),
    expr: filledIn(target.expr ?? "", known, `${path}, ${where}`),
    instant: target.instant === true || target.queryType === "instant",
  });
  return [
    ...panelsOf(board.panels).flatMap(({ title, targets = [], datasource }) =>
      targets.map((target) => query(`panel "${title}" ${target.refId}`, target, datasource)),
    ),
    ...variables
      .filter(({ type }) => type === "query")
      .map((variable) =>
        query(
          `variable ${variable.name}`,
          { expr: seriesOf(variable), instant: true, ...sourced(variable.datasource) },
          undefined,
        ),
      ),
    ...(board.annotations?.list ?? [])
      .filter(({ target }) => target?.expr !== undefined)
      .map(({ name, target = {}, datasource }) => query(`annotation ${name}`, target, datasource)),
  ];
}

function sourced(datasource: Source | undefined): Pick<Target, "datasource"> {
  return datasource === undefined ? {} : { datasource };
}

function panelsOf(panels: Panel[] = []): Panel[] {
  return panels.flatMap((panel) => [panel, ...panelsOf(panel.panels)]);
}

function startValue({ name, allValue, current, query }: Variable): [string, string] {
  const [value = ""] = [current?.value ?? query].flat();
  const text = typeof value === "string" ? value : "";
  return [name, text === "$__all" ? (allValue ?? ".*") : text];
}

/** The PromQL for Grafana's `label_values(series, label)`. */
function seriesOf({ name, query }: Variable): string {
  const text = typeof query === "string" ? query : String(query?.query ?? "");
  const [, series, label] = /^label_values\((.+),\s*(\w+)\)$/.exec(text) ?? [];
  if (series === undefined || label === undefined) {
    throw new Error(`variable ${name}: "${text}" is not label_values(SERIES, LABEL)`);
  }
  return `group by (${label}) (${series})`;
}

function sourceOf(datasource: Source | undefined, where: string): DashboardQuery["source"] {
  const type = datasource?.type;
  if (type === "prometheus" || type === "loki") return type;
  throw new Error(`${where}: data source ${type} is neither prometheus nor loki`);
}

function filledIn(expr: string, values: Record<string, string>, where: string): string {
  return expr.replaceAll(/\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g, (_, braced?: string, plain?: string) => {
    const name = braced ?? plain ?? "";
    const value = values[name];
    if (value === undefined) throw new Error(`${where}: the variable $${name} has no value`);
    return value;
  });
}
