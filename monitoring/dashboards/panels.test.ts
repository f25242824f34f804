import assert from "node:assert/strict";
import { test } from "node:test";
import { THRESHOLDS } from "../limits/thresholds.ts";
import { GATEWAY, type GraphSpec, graph, type Line, lineValue, list, number, type Unit } from "./panels.ts";

const SPEC: GraphSpec = {
  title: "CPU",
  description: "How busy it is.",
  unit: "percent",
  line: { limit: "cpu", bad: "above" },
  queries: [{ expr: "a", legend: "one" }, { expr: "b" }],
};

function stepsOf(line: Line, unit: Unit) {
  return number({ ...SPEC, unit, line }).build().fieldConfig?.defaults.thresholds?.steps;
}

test("beyond the row's value a number is red, on either side", () => {
  assert.deepEqual(stepsOf({ limit: "cpu", bad: "above" }, "percent"), [
    { value: null, color: "green" },
    { value: THRESHOLDS.cpu.value, color: "red" },
  ]);
  assert.deepEqual(stepsOf({ limit: "diskLeft", bad: "below" }, "percentunit"), [
    { value: null, color: "red" },
    { value: THRESHOLDS.diskLeft.value, color: "green" },
  ]);
});

test("where the limit is 0, a 0 is good from above and bad from below", () => {
  const [, above] = stepsOf({ limit: "natsPaused", bad: "above" }, "short") ?? [];
  const [, below] = stepsOf({ limit: "gatewaysUp", bad: "below" }, "short") ?? [];
  for (const step of [above, below]) assert.ok(step?.value && step.value > 0 && step.value < 1e-6);
});

test("a part of something is a line at that many", () => {
  assert.equal(lineValue({ limit: "capacity", bad: "above", times: 10_000 }), 9000);
  assert.equal(lineValue({ limit: "memory", bad: "above", times: 3 }), 2.7, "and not 2.7000000000000006");
});

test("a line is of what the panel shows", () => {
  assert.throws(() => number({ ...SPEC, unit: "s" }), /panel "CPU": it is in s, and its line cpu in percent/);
  const times: Line = { limit: "capacity", bad: "above", times: 10_000 };
  assert.throws(
    () => number({ ...SPEC, unit: "percentunit", line: times }),
    /its line capacity in percentunit/,
  );
  assert.ok(number({ ...SPEC, unit: "short", line: times }));
});

test("a graph draws its line, and makes room for it where it is near", () => {
  const custom = (spec: GraphSpec) => graph(spec).build().fieldConfig?.defaults.custom;
  assert.equal(custom(SPEC).thresholdsStyle.mode, "dashed");
  assert.equal(custom(SPEC).axisSoftMax, THRESHOLDS.cpu.value);
  assert.equal(
    custom({ ...SPEC, unit: "Bps", line: { limit: "bytesSent", bad: "above" } }).axisSoftMax,
    undefined,
  );
  assert.equal(custom({ ...SPEC, line: "cost" }).thresholdsStyle, undefined);
});

test("a panel without a line says why", () => {
  const { description } = graph({ ...SPEC, line: "cost" }).build();
  assert.equal(
    description,
    "How busy it is.\n\nNo line: what a deployment may cost is for its owners to say.",
  );
});

test("a graph asks over a range, a number for now, a list as a table", () => {
  const targets = [graph(SPEC), number(SPEC), list({ ...SPEC, hidden: ["Time"], links: [] })].map((panel) =>
    JSON.parse(JSON.stringify(panel.build().targets)),
  );
  assert.deepEqual(
    targets.map((queries) =>
      queries.map(({ refId, expr, range, instant, format }: Record<string, unknown>) => [
        refId,
        expr,
        range,
        instant,
        format,
      ]),
    ),
    [
      [
        ["A", "a", true, false, undefined],
        ["B", "b", true, false, undefined],
      ],
      [
        ["A", "a", false, true, undefined],
        ["B", "b", false, true, undefined],
      ],
      [
        ["A", "a", false, true, "table"],
        ["B", "b", false, true, "table"],
      ],
    ],
  );
});

test("a line of a gateway leads to its logs", () => {
  const urls = (legend: string) =>
    graph({ ...SPEC, queries: [{ expr: "a", legend }] })
      .build()
      .fieldConfig?.defaults.links?.map(({ url }) => url);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own variables
  const logs = "/d/odin-logs?var-instance=${__field.labels.instance}&${__url_time_range}";
  assert.deepEqual(urls(GATEWAY), [logs]);
  assert.equal(urls("all"), undefined);
});
