import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { repositoryFolder } from "../preview/record-stack.ts";
import { type SampleArgs, sampleProgram } from "../preview/sample.fixture.ts";
import { trafficFrom } from "../traffic/options.ts";
import type { LimitsOptions } from "./cli-options.ts";
import { limits } from "./limits.ts";

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "odin-limits-"));
});
after(() => rmSync(folder, { recursive: true }));

const nothing = {
  regions: undefined,
  curve: undefined,
  cpu: undefined,
  min: undefined,
  max: undefined,
  target: undefined,
  bootSeconds: undefined,
  traffic: trafficFrom({}),
};

/** The printed text for the sample stack, which has 2 to 5 gateways of 8,000 connections. */
function run(options: Partial<LimitsOptions>, sample: SampleArgs = {}): Promise<string> {
  const svg = options.svg ?? join(folder, "plot.svg");
  return limits(
    {
      stack: "prod",
      connections: undefined,
      from: 0,
      rampMinutes: 30,
      json: undefined,
      ...nothing,
      ...options,
      svg,
    },
    { folder: repositoryFolder, load: async () => ({ default: () => sampleProgram(sample) }) },
  );
}

/** Matches the two commands that change a setting and deploy. */
const typed = (setting: string) =>
  new RegExp(
    `^ {2}pulumi config set ${setting} --stack prod
 {2}pulumi up --stack prod$`,
    "m",
  );

describe("the question of 45,000 connections", () => {
  test("shows what the traffic of the demand costs, or of --users", async () => {
    const text = await run({ connections: 45_000 });
    assert.match(text, /^Traffic to 45,000 users who are connected all month, /m);
    const traffic = { ...trafficFrom({}), users: 3000, mix: { compact: 60, compressed: 40 } };
    const given = await run({ connections: 45_000, traffic });
    assert.match(given, /^Traffic to 3,000 users /m);
    assert.match(given, /^ {2}these users: 40 % compressed, 60 % compact /m);
  });

  test("needs six gateways, five can just hold them, and the text has the commands and the costs", async () => {
    const text = await run({ connections: 45_000 });
    assert.match(text, /2 to 5 gateways, 8,000 connections each are the target, 10,000 the limit/);
    assert.match(
      text,
      /^6 gateways keep these clients at the targets, and 5 can just hold them: the maximum of 5 holds them without headroom/m,
    );
    assert.match(text, typed("maxInstances 6( --stack prod\\n {2}pulumi config set \\w+ \\d+)?"));
    // 5 × (0.06701142 × 730 + 20 GiB × 0.10 + 0.0014 × 730)
    assert.match(
      text,
      /2 gateways \$103\.88 \(the minimum now\), 5 gateways \$259\.70 \(the maximum now\), 6 gateways \$311\.64/,
    );
  });

  test("a slow ramp within the maximum needs no change", async () => {
    const text = await run({ connections: 40_000, rampMinutes: 120 });
    assert.match(text, /the maximum of 5 suffices\.$/m);
    assert.match(text, /^Nobody is refused\.$/m);
    assert.match(text, /^Nothing to change\.$/m);
    assert.doesNotMatch(text, /pulumi/);
  });

  test("a fast ramp within the maximum refuses clients for a while: a higher minimum or a lower target helps", async () => {
    const text = await run({ connections: 38_000, rampMinutes: 15 });
    assert.match(text, /the maximum of 5 suffices\.$/m);
    assert.match(text, /^Refused from minute [\d.]+ to [\d.]+: up to [\d,]+ clients at once/m);
    const [, min] = typed("minInstances (\\d)").exec(text) ?? [];
    assert.ok(min, text);
    const ahead = await run({ connections: 38_000, rampMinutes: 15, min: Number(min) });
    assert.match(ahead, /^Nobody is refused\.$/m);
    const fewer = await run({ connections: 38_000, rampMinutes: 15, min: Number(min) - 1 });
    assert.match(fewer, /^Refused from/m);
    const [, max, target] = /maxInstances (\d+) [^\n]*\n[^\n]*connectionsTarget (\d+)/.exec(text) ?? [];
    const earlier = await run({
      connections: 38_000,
      rampMinutes: 15,
      max: Number(max ?? 5),
      target: Number(target),
    });
    assert.match(earlier, /^Nobody is refused\.$/m);
  });

  test("a higher maximum is enough where the autoscaler is fast enough", async () => {
    const text = await run({ connections: 60_000, rampMinutes: 240 });
    assert.match(text, /the maximum of 5 does NOT suffice, 10,000 clients are refused\.$/m);
    assert.match(text, typed("maxInstances 8"));
    assert.match(await run({ connections: 60_000, rampMinutes: 240, max: 8 }), /^Nothing to change\.$/m);
  });
});

test("without --connections the demand is the maximum of gateways at the target", async () => {
  assert.match(await run({}), /^Demand: 40,000 clients at most$/m);
  assert.match(await run({ max: 7 }), /^Demand: 56,000 clients at most$/m);
});

test("the CPU of a full gateway lowers its limit of connections", async () => {
  const text = await run({ connections: 40_000, cpu: 80 });
  assert.match(text, /8,906 the limit/); // 75 % of 1.9 of 2 cores: 0.7125 / 0.8 of 10,000
  assert.match(text, /^6 gateways keep these clients at the targets/m); // 40,000 × 0.8 / 10,000 / 0.6 = 5.3
});

test("a target above the limit and a group without autoscaler are errors", async () => {
  await assert.rejects(
    run({ target: 20_000 }),
    /--target is 20000: at most WS_MAX_CONNECTIONS, which is 10000/,
  );
  const empty = { folder: repositoryFolder, load: async () => ({ default: () => undefined }) };
  const options = {
    stack: "prod",
    connections: 1,
    from: 0,
    rampMinutes: 1,
    json: undefined,
    svg: undefined,
    ...nothing,
  };
  await assert.rejects(limits(options, empty), /stack prod has no autoscaler/);
});

test("the plot and the JSON have the same bytes in each run", async () => {
  const files = ["a", "b"].map((name) => ({
    svg: join(folder, `${name}.svg`),
    json: join(folder, `${name}.json`),
  }));
  for (const paths of files) await run({ connections: 30_000, ...paths });
  const [first, second] = files.map(({ svg, json }) => ({
    svg: readFileSync(svg, "utf8"),
    json: readFileSync(json, "utf8"),
  }));
  // assert.equal would print a diff of a megabyte.
  assert.ok(first?.svg === second?.svg && first?.json === second?.json);
  for (const part of [
    "30,000 clients against its limits",
    "refused",
    "hard limit",
    "gateways in service",
    "minutes",
  ])
    assert.ok(first?.svg.includes(part), part);
  const { peak, moments } = JSON.parse(first?.json ?? "") as { peak: number; moments: { refused: number }[] };
  assert.equal(peak, 30_000);
  assert.ok(moments.length > 100);
});
