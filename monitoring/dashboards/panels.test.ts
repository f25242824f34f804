import assert from "node:assert/strict";
import { test } from "node:test";
import { THRESHOLDS } from "../limits/thresholds.ts";
import { GATEWAY, type GraphSpec, graph, type Line, lineValue, list, number, type Unit } from "./panels.ts";

const SPEC: GraphSpec = {
  title: "CPU",
  description: "How busy the CPU is.",
  unit: "percent",
  line: { limit: "cpu", bad: "above" },
  queries: [{ expr: "a", legend: "one" }, { expr: "b" }],
};

function stepsOf(line: Line, unit: Unit) {
  return number({ ...SPEC, unit, line }).build().fieldConfig?.defaults.thresholds?.steps;
}

test("a number is red on the bad side of its line", () => {
  assert.deepEqual(stepsOf({ limit: "cpu", bad: "above" }, "percent"), [
    { value: null, color: "green" },
    { value: THRESHOLDS.cpu.value, color: "red" },
  ]);
  assert.deepEqual(stepsOf({ limit: "diskLeft", bad: "below" }, "percentunit"), [
    { value: null, color: "red" },
    { value: THRESHOLDS.diskLeft.value, color: "green" },
  ]);
});

test("with a limit of 0 the value 0 is good if above is bad, and bad if below is bad", () => {
  const [, above] = stepsOf({ limit: "natsPaused", bad: "above" }, "short") ?? [];
  const [, below] = stepsOf({ limit: "gatewaysUp", bad: "below" }, "short") ?? [];
  for (const step of [above, below]) assert.ok(step?.value && step.value > 0 && step.value < 1e-6);
});

test("a factor scales the position of the line", () => {
  assert.equal(lineValue({ limit: "capacity", bad: "above", times: 10_000 }), 9000);
  assert.equal(lineValue({ limit: "memory", bad: "above", times: 3 }), 2.7, "not 2.7000000000000006");
});

test("a line whose limit has another unit than the panel is refused", () => {
  assert.throws(
    () => number({ ...SPEC, unit: "s" }),
    /panel "CPU" has the unit s, but its line cpu is in percent: choose a limit/,
  );
  const times: Line = { limit: "capacity", bad: "above", times: 10_000 };
  assert.throws(
    () => number({ ...SPEC, unit: "percentunit", line: times }),
    /its line capacity is in percentunit/,
  );
  assert.ok(number({ ...SPEC, unit: "short", line: times }));
});

test("a graph draws its line, and the axis of a share reaches up to the line", () => {
  const custom = (spec: GraphSpec) => graph(spec).build().fieldConfig?.defaults.custom;
  assert.equal(custom(SPEC).thresholdsStyle.mode, "dashed");
  assert.equal(custom(SPEC).axisSoftMax, THRESHOLDS.cpu.value);
  assert.equal(
    custom({ ...SPEC, unit: "Bps", line: { limit: "bytesSent", bad: "above" } }).axisSoftMax,
    undefined,
  );
  assert.equal(custom({ ...SPEC, line: "cost" }).thresholdsStyle, undefined);
});

test("the description of a panel without a line gives the reason", () => {
  const { description } = graph({ ...SPEC, line: "cost" }).build();
  assert.equal(
    description,
    "How busy the CPU is.\n\nNo line: the owners of a deployment decide what it may cost.",
  );
});

test("a graph queries a range, a number the current value, a list a table", () => {
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

test("the line of a gateway links to the gateway's logs", () => {
  const urls = (legend: string) =>
    graph({ ...SPEC, queries: [{ expr: "a", legend }] })
      .build()
      .fieldConfig?.defaults.links?.map(({ url }) => url);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own variables
  const logs = "/d/odin-logs?var-instance=${__field.labels.instance}&${__url_time_range}";
  assert.deepEqual(urls(GATEWAY), [logs]);
  assert.equal(urls("all"), undefined);
});
