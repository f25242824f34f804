import assert from "node:assert/strict";
import { test } from "node:test";
import { dashboardQueries } from "./dashboard-queries.fixture.ts";

const prometheus = { type: "prometheus", uid: "prometheus" };
const loki = { type: "loki", uid: "loki" };

function files(board: unknown): Record<string, string> {
  return { "grafana/dashboards/a.json": JSON.stringify(board), "prometheus/prometheus.yml": "no: board" };
}

const BOARD = {
  templating: {
    list: [
      {
        name: "instance",
        type: "query",
        datasource: prometheus,
        query: 'label_values(up{job="gateway"}, instance)',
        allValue: ".*",
        current: { value: ["$__all"] },
      },
      { name: "text", type: "textbox", query: "abc", current: { value: "abc" } },
    ],
  },
  annotations: {
    list: [{ name: "Rollout", datasource: prometheus, target: { expr: "up > 0", range: true } }],
  },
  panels: [
    { type: "row", title: "Row", panels: [] },
    {
      title: "One",
      datasource: prometheus,
      targets: [
        { refId: "A", expr: 'rate(x{instance=~"$instance"}[$__rate_interval])' },
        // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's notation of a variable
        { refId: "B", expr: "max_over_time(x[${__range}])", instant: true },
      ],
    },
    {
      title: "Two",
      datasource: loki,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's notation of a variable
      targets: [{ refId: "A", expr: '{a=~"${text:regex}.*"} |= `$text`', queryType: "instant" }],
    },
  ],
};

test("returns the queries of panels, variables and annotations, with the first values of variables", () => {
  assert.deepEqual(
    dashboardQueries(files(BOARD)).map(({ where, source, instant, expr }) => [where, source, instant, expr]),
    [
      ['panel "One" A', "prometheus", false, 'rate(x{instance=~".*"}[1m])'],
      ['panel "One" B', "prometheus", true, "max_over_time(x[1h])"],
      ['panel "Two" A', "loki", true, '{a=~"abc.*"} |= `abc`'],
      ["variable instance", "prometheus", true, 'group by (instance) (up{job="gateway"})'],
      ["annotation Rollout", "prometheus", false, "up > 0"],
    ],
  );
});

test("given values replace the first values", () => {
  const [first, , third] = dashboardQueries(files(BOARD), {
    instance: "gateway-1",
    __rate_interval: "30s",
    text: "x",
  });
  assert.equal(first?.expr, 'rate(x{instance=~"gateway-1"}[30s])');
  assert.equal(third?.expr, '{a=~"x.*"} |= `x`');
});

test("queries of panels in a collapsed row are returned", () => {
  const collapsed = { panels: [{ type: "row", title: "Row", panels: BOARD.panels.slice(1, 2) }] };
  assert.throws(
    () => dashboardQueries(files(collapsed)),
    /panel "One" A: the variable \$instance has no value/,
  );
  assert.equal(dashboardQueries(files(collapsed), { instance: "a" }).length, 2);
});

test("the error about an invalid query names its place", () => {
  const source = {
    panels: [{ title: "P", datasource: { type: "mysql" }, targets: [{ refId: "A", expr: "x" }] }],
  };
  assert.throws(
    () => dashboardQueries(files(source)),
    /a\.json, panel "P" A: data source mysql is neither prometheus nor loki/,
  );
  const variable = {
    templating: { list: [{ name: "v", type: "query", query: "metrics(up)", datasource: loki }] },
  };
  assert.throws(() => dashboardQueries(files(variable)), /variable v: "metrics\(up\)" is not label_values/);
});
