/**
 * A new image in the real engine, with real gateways: a canary that is worse than the others rolls itself
 * back.
 */

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { skipWithout } from "../../../monitoring/testing/run-on-files.fixture.ts";
import { runShell } from "../../engine/commands.ts";
import { type Run, withoutEngine } from "../../engine/engine.ts";
import { repository } from "../../engine/repository.ts";
import {
  CANARY,
  GROUP,
  IMAGE,
  inWords,
  type RepositoryStack,
  repositoryStack,
  SECRET,
  TEMPLATE,
} from "../../engine/repository-stack.ts";
import { startDelayProxy } from "../../harness/delay-proxy.ts";
import { startFeed } from "../../harness/feed.ts";
import { type Behaviour, type GatewayGroups, startGroups } from "../../harness/gateway-groups.ts";
import { startNats, withoutNats } from "../../harness/nats.ts";
import { suiteOwner } from "../../harness/owner.ts";

const REGION = "projects/test-project/regions/us-central1";
const SECONDS = "12"; // for which a canary is compared
const SLOW_MS = 300; // ms that each message of the slow gateway waits

describe("canary", {
  skip: withoutEngine() || withoutNats() || skipWithout("prometheus"),
  timeout: 300_000,
}, () => {
  const owner = suiteOwner();
  const behaviours: Record<string, Behaviour> = {};
  let prod: RepositoryStack;
  let groups: GatewayGroups;
  let skip: Record<string, string> = {};

  const template = (name: string) => {
    const found = prod.cloud.all(TEMPLATE).find(({ state }) => state.name === name);
    assert.ok(found, name);
    return found;
  };
  const imageOf = (name: string) =>
    String((template(name).inputs.metadata as Record<string, string>)["odin-image-gateway"]);
  const groupState = (name: string) => {
    const { id, inputs } = prod.cloud.one(GROUP, name);
    const [version] = inputs.versions as { instanceTemplate: string }[];
    return {
      path: id,
      template: (version?.instanceTemplate ?? "").replace(/\?.*$/, "").split("/").at(-1) ?? "",
    };
  };
  const main = () => groupState("gateway-group");
  const running = () => imageOf(main().template);

  before(async () => {
    const nats = await startNats(owner);
    startFeed(owner, nats, ["BTC.trade", "ETH.trade", "global.trending"], 1);
    const port = Number(new URL(nats.url).port);
    const slow = `nats://127.0.0.1:${await startDelayProxy(owner, port, SLOW_MS)}`;
    const env = { NATS_URL: nats.url, AUTH_MODE: "jwt", JWT_SECRET: SECRET };
    Object.assign(behaviours, {
      [IMAGE("a")]: { env },
      [IMAGE("b")]: { env: { ...env, WS_MAX_BROADCAST_RATE: "10" } },
      [IMAGE("c")]: { env: { ...env, NATS_URL: slow } },
      [IMAGE("d")]: { env, crashAfter: 4000 },
      [IMAGE("e")]: { env: { ...env, JWT_SECRET: "another-secret-than-the-stack-has-0123" } },
      [IMAGE("f")]: { env },
    });
    prod = await repositoryStack(owner, "prod", { serverImage: IMAGE("a") });
    const first = await prod.stack.up();
    assert.equal(first.exitCode, 0, first.output);
    groups = await startGroups(owner, {
      region: REGION,
      groups: () => ({ main: main(), canary: groupState("gateway-canary-group") }),
      properties: (name) => {
        const { metadata, ...machine } = template(name).inputs;
        const items = Object.entries(metadata as Record<string, string>).map(([key, value]) => ({
          key,
          value,
        }));
        const { name: _, __defaults: __, ...described } = machine;
        return { ...described, metadata: { items } };
      },
      behaviour: (name) => behaviours[imageOf(name)] ?? { env },
      secret: SECRET,
    });
    const others = main();
    groups.resize(others.path, others.template, 2);
    await groups.healthy(others.path);
    const only = prod.cloud.runCommand;
    prod.cloud.runCommand = (command, options) =>
      command === CANARY
        ? runShell(command, {
            dir: repository,
            environment: {
              ...options.environment,
              ...groups.env,
              ODIN_CANARY_SECONDS: SECONDS,
              ODIN_SMOKE_DEADLINE_SECONDS: "4",
              ...skip,
            },
          })
        : only(command, options);
  });
  after(() => groups?.stop());
  beforeEach(() => {
    skip = {};
    prod.cloud.takeOperations();
    prod.takeCommands();
    groups.canarySizes.length = 0;
  });

  const rollOut = async (image: string): Promise<Run> => {
    await prod.stack.configure({ serverImage: image });
    return prod.stack.up();
  };
  const canaryRuns = () => groups.running(groupState("gateway-canary-group").path);

  const BROKEN: [what: string, digit: string, reason: RegExp][] = [
    ["drops messages", "b", /worse than the other gateways: [\d.]+ % of \d+ deliveries were dropped, 0 % on/],
    ["is slow", "c", /worse than the other gateways: [\d.]+ % of \d+ deliveries were late, [\d.]+ % on/],
    [
      "crashes after a while",
      "d",
      /the gateway restarted \d+ times, the others 0 times|fails the smoke test|does not answer Prometheus/,
    ],
    ["refuses the clients' tokens", "e", /fails the smoke test: FAILED connect: refused with HTTP 401/],
  ];
  for (const [what, digit, reason] of BROKEN)
    test(`a canary that ${what} fails the update, and no other gateway gets the image`, async () => {
      const before = main();
      const { exitCode, messages, output } = await rollOut(IMAGE(digit));
      assert.notEqual(exitCode, 0, output);
      assert.match(messages.join("\n"), reason);
      assert.ok(!output.includes(SECRET));
      assert.deepEqual(groups.canarySizes, [1, 0], "one gateway, and none at the end");
      assert.deepEqual(canaryRuns(), []);
      assert.deepEqual(main(), before, "the other gateways keep their template");
      assert.equal(running(), IMAGE("a"));
      assert.deepEqual(
        inWords(prod.cloud.takeOperations()).filter((step) =>
          / gateway-group| gateway-rollout| rollout-test/.test(step),
        ),
        [],
      );
      assert.equal((await prod.stack.pulumi("stack", "output", "image")).trim(), IMAGE("a"));
    });

  test("after failed canaries, the state agrees with the cloud, and the same program tries again", async () => {
    const refreshed = await prod.stack.run("preview", "--refresh");
    const ahead = refreshed.steps.filter(({ op }) => !op.startsWith("delete")); // without the old templates
    const names = [...new Set(ahead.map(({ name }) => name))].sort();
    assert.deepEqual(names, ["gateway-canary-judge", "gateway-group", "gateway-rollout", "rollout-test"]);
  });

  test("without serverImage, the next update returns to the image that the gateways run, without a canary", async () => {
    await prod.stack.pulumi("config", "rm", "serverImage");
    const run = await prod.stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.equal(running(), IMAGE("a"));
    assert.deepEqual(groups.canarySizes, []);
    assert.equal(prod.cloud.all(TEMPLATE).length, 1, "templates of failed updates are deleted");
    const again = await prod.stack.preview("--expect-no-changes");
    assert.deepEqual([again.exitCode, again.steps], [0, []]);
  });

  test("a canary that is as good as the others: all gateways get the image afterwards", async () => {
    const run = await rollOut(IMAGE("f"));
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(groups.canarySizes, [1, 0]);
    assert.equal(running(), IMAGE("f"));
    const done = inWords(prod.cloud.takeOperations());
    const judged = done.indexOf("update Command gateway-canary-judge");
    assert.ok(
      judged >= 0 && judged < done.indexOf("update RegionInstanceGroupManager gateway-group"),
      done.join("\n"),
    );
  });

  test("ODIN_CANARY=skip: the previous image reaches all gateways without a canary", async () => {
    skip = { ODIN_CANARY: "skip" };
    const run = await rollOut(IMAGE("a"));
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(groups.canarySizes, []);
    assert.equal(running(), IMAGE("a"));
  });

  test("a setting needs no canary", async () => {
    await prod.stack.configure({ "gateway.LOG_LEVEL": "debug" });
    const run = await prod.stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(groups.canarySizes, []);
  });
});
