/** What a run says of gateways that are right and of such that are wrong, with both kinds of feed. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Wrong } from "../fake-gateway.fixture.ts";
import { CONNECTIONS, runHere } from "../run/local-run.fixture.ts";
import type { FeedKind } from "../traffic/plan.ts";
import type { Result } from "./result.ts";

const failed = ({ checks }: Result) =>
  checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
const textOf = ({ checks }: Result, name: string) => checks.find((check) => check.name === name)?.text ?? "";

const LOSS = "Every message to every subscriber";
const LATENCY = "Latency, 99th percentile";
const RECONNECT = ["reconnect", "--rounds", "1"];

interface Case {
  wrong: Wrong;
  finds: string;
  feeds?: FeedKind[];
  args?: string[];
  /** Whether the gateway tells that it went wrong. */
  done?: boolean;
}
const CASES: readonly Case[] = [
  { wrong: "drop", finds: LOSS },
  // Of a feed of others nobody knows that there was a message.
  { wrong: "drop-for-all", finds: LOSS, feeds: ["own"] },
  { wrong: "cut-off", finds: LOSS, feeds: ["own"] },
  // A feed of others has no last message.
  { wrong: "drop-last", finds: LOSS, feeds: ["own"] },
  { wrong: "forget", finds: LOSS },
  // Nobody can tell any more whether everything has come.
  { wrong: "mute", finds: LOSS, done: false },
  { wrong: "lie-on-resume", finds: LOSS, args: RECONNECT },
  { wrong: "duplicate", finds: "No message twice" },
  { wrong: "reorder", finds: "Order on each channel" },
  { wrong: "late-reorder", finds: "Order on each channel", args: ["sustained", "--duration", "7"] },
  { wrong: "alter", finds: "The same content for all" },
  // A message under the name of another channel, and a subscriber that gets nothing any more.
  { wrong: "misdirect", finds: "The same content for all" },
  { wrong: "unasked", finds: "Nothing that was not asked for" },
  { wrong: "close", finds: "No connection ended by itself" },
  { wrong: "miscount", finds: "Own count agrees with the gateway's", done: false },
  // It lasts beyond the end of the traffic: what was due before counts, whenever it comes.
  // A feed of others does not wait for the traffic, so it may be over before.
  {
    wrong: "stall",
    finds: LATENCY,
    feeds: ["own"],
    args: ["sustained", "--duration", "2", "--max-p99", "1500"],
  },
];

// Mostly they wait.
describe("verdict of a run", { concurrency: 100 }, () => {
  for (const kind of ["market", "own"] as const) {
    const feed = `with a feed that is ${kind === "own" ? "the load test's" : "others'"}`;
    for (const args of [["sustained"], RECONNECT])
      test(`a gateway that is right passes ${args[0]} ${feed}`, async (t) => {
        const { result } = await runHere(t, "nothing", kind, ["--duration", "3", ...args]);
        assert.deepEqual([result.outcome, failed(result)], ["passed", []], JSON.stringify(result.checks));
        assert.equal(result.open, CONNECTIONS);
        assert.ok(result.messages > 50 && result.latency.samples > 100);
        const stage = result.stages[0]?.latency.samples ?? 0;
        assert.ok(stage > 100 && stage + result.caughtUp <= result.deliveries, `${stage}`);
      });

    for (const { wrong, finds, feeds, args = ["sustained"], done = true } of CASES) {
      if (feeds !== undefined && !feeds.includes(kind)) continue;
      test(`finds ${wrong} ${feed}`, async (t) => {
        const { result, gateway } = await runHere(
          t,
          wrong,
          kind,
          args.includes("--duration") ? args : ["--duration", "3", ...args],
        );
        if (done) assert.ok(gateway.done > 0, "the gateway went wrong");
        // One fault may show in several checks, but never in none.
        assert.ok(failed(result).includes(finds), JSON.stringify(result.checks, null, 1));
        assert.equal(result.outcome, "failed");
      });
    }

    test(`a number that was given out and did not come is asked for, and comes ${feed}`, async (t) => {
      const { result, gateway } = await runHere(t, "drop-with-gap", kind, ["sustained", "--duration", "3"]);
      assert.deepEqual(failed(result), [], JSON.stringify(result.checks));
      assert.deepEqual([result.gaps, result.replays, gateway.done], [1, 1, 1]);
    });
  }

  test("with an own feed all that was stored counts, not what the gateway says it has heard of", async (t) => {
    const { result } = await runHere(t, "cut-off", "own", ["sustained", "--duration", "2"]);
    const due = result.published * 5;
    assert.match(textOf(result, LOSS), /deliveries lost by 20 clients/);
    assert.equal(result.balance?.lost, due - result.deliveries);
    assert.ok(failed(result).includes("As many deliveries as published"));
  });

  test("a stall at the end is in the latency of the stage in which the messages were due", async (t) => {
    const { result } = await runHere(t, "stall", "own", ["throughput", "--duration", "3"]);
    const [stage] = result.stages;
    assert.equal(stage?.deliveries, result.deliveries);
    assert.ok((stage?.latency.p99 ?? 0) > 2500, JSON.stringify(stage));
    assert.ok((stage?.to ?? 0) < result.seconds + 0.5, "it has an end of its own");
  });

  test("a command that fails is told in the report", async (t) => {
    const { result } = await runHere(t, "nothing", "own", [
      ...RECONNECT,
      "--kill",
      "exit 3",
      "--duration",
      "2",
    ]);
    assert.match(textOf(result, "The command that breaks them"), /"exit 3" ended with 3/);
    assert.ok(failed(result).includes("The command that breaks them"));
  });

  test("stopped while connecting: no more is opened, and what was not seen is not judged", async (t) => {
    const { result } = await runHere(
      t,
      "nothing",
      "own",
      ["sustained", "--duration", "60", "--connect-rate", "5"],
      (stop) => setTimeout(() => stop.abort(), 1500),
    );
    assert.equal(result.outcome, "stopped");
    assert.deepEqual(failed(result), []);
    assert.ok(result.served > 0 && result.served < CONNECTIONS / 2, `${result.served}`);
    assert.equal(result.open, result.served, "no more were opened");
  });
});
