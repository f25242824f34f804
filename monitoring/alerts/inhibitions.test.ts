import assert from "node:assert/strict";
import { test } from "node:test";
import { secondsOf } from "../testing/duration.fixture.ts";
import { allAlertRules } from "./cases/all-rules.fixture.ts";
import { INHIBITIONS } from "./inhibitions.ts";

const rules = allAlertRules().flatMap((group) => group.rules);

test("inhibitions name alerts that exist, and a consequence never fires before its source", () => {
  const pendingTimes = (name: string, severity?: string) =>
    rules
      .filter(({ alert, labels }) => alert === name && (!severity || labels.severity === severity))
      .map((rule) => secondsOf(rule.for));
  for (const { source, targets } of INHIBITIONS) {
    const sourcePending = Math.min(...pendingTimes(source.alertname, source.severity));
    assert.ok(Number.isFinite(sourcePending), source.alertname);
    for (const name of targets.alertnames) {
      const pending = pendingTimes(name, targets.severity);
      assert.ok(pending.length > 0, name);
      // An alert that fires at once (0 s) counts disconnected clients over a window, and the count arrives
      // when NATS is back.
      if (Math.min(...pending) > 0)
        assert.ok(Math.min(...pending) >= sourcePending, `${name} after ${source.alertname}`);
    }
  }
});

test("an alert on one gateway is inhibited only by an alert on the same gateway", () => {
  const onOneGateway = rules
    .filter(({ annotations }) => annotations.summary.includes("Gateway {{ $labels.instance }}"))
    .map(({ alert }) => alert);
  for (const name of ["NatsUnreachable", "HighDropRate", "HighLatency"])
    assert.ok(onOneGateway.includes(name), name);
  for (const { source, targets, equal } of INHIBITIONS.filter((row) =>
    onOneGateway.includes(row.source.alertname),
  )) {
    for (const name of targets.alertnames.filter((target) => onOneGateway.includes(target))) {
      assert.ok(equal.includes("instance"), `${name} by ${source.alertname}`);
    }
  }
});
