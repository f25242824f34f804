/** Runs against a correct gateway and against gateways with defects, with both kinds of feed. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Defect } from "../fake-gateway.fixture.ts";
import { CONNECTIONS, runInProcess } from "../run/in-process-run.fixture.ts";
import type { FeedKind } from "../traffic/plan.ts";
import type { Result } from "./result.ts";

const failed = ({ checks }: Result) =>
  checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
const textOf = ({ checks }: Result, name: string) => checks.find((check) => check.name === name)?.text ?? "";

const LOSS = "Every message reached every subscriber";
const LATENCY = "Latency, 99th percentile";
const RECONNECT = ["reconnect", "--rounds", "1"];

interface Case {
  defect: Defect;
  /** Name of the check that has to fail. */
  failedCheck: string;
  feeds?: FeedKind[];
  args?: string[];
  /** False when the fake gateway does not count how often the defect occurred. */
  counted?: boolean;
}
const CASES: readonly Case[] = [
  { defect: "drop", failedCheck: LOSS },
  // With an external feed, the load test cannot know that the message existed.
  { defect: "drop-for-all", failedCheck: LOSS, feeds: ["own"] },
  { defect: "cut-off", failedCheck: LOSS, feeds: ["own"] },
  // An external feed has no last message.
  { defect: "drop-last", failedCheck: LOSS, feeds: ["own"] },
  { defect: "forget", failedCheck: LOSS },
  // Without answers to heartbeats, the load test cannot know whether everything has arrived.
  { defect: "mute", failedCheck: LOSS, counted: false },
  { defect: "lie-on-resume", failedCheck: LOSS, args: RECONNECT },
  { defect: "duplicate", failedCheck: "No duplicates" },
  { defect: "reorder", failedCheck: "Order on each channel" },
  { defect: "late-reorder", failedCheck: "Order on each channel", args: ["sustained", "--duration", "7"] },
  { defect: "alter", failedCheck: "Same content for all clients" },
  { defect: "misdirect", failedCheck: "Same content for all clients" },
  { defect: "unasked", failedCheck: "No messages without a subscription" },
  { defect: "close", failedCheck: "No unexpected disconnections" },
  { defect: "stale-last", failedCheck: LOSS, feeds: ["market"], args: ["sustained", "--last"] },
  { defect: "no-last", failedCheck: "No error messages from the gateway", args: ["sustained", "--last"] },
  // 12 messages a second of each channel.
  {
    defect: "ignore-rate",
    failedCheck: "No channel more often than --max-rate",
    args: ["sustained", "--max-rate", "2"],
    counted: false,
  },
  { defect: "drop-last", failedCheck: LOSS, feeds: ["own"], args: ["sustained", "--max-rate", "2"] },
  { defect: "oldest-wins", failedCheck: LOSS, feeds: ["own"], args: ["sustained", "--max-rate", "2"] },
  { defect: "miscount", failedCheck: "Delivery count matches the gateway's metrics", counted: false },
  // The stall lasts beyond the end of the traffic: messages that were due before count, whenever they arrive.
  // An external feed does not wait for the traffic, so the stall may end before.
  {
    defect: "stall",
    failedCheck: LATENCY,
    feeds: ["own"],
    args: ["sustained", "--duration", "2", "--max-p99", "1500"],
  },
];

// The tests mostly wait, so they run at the same time.
describe("verdict of a run", { concurrency: 100 }, () => {
  for (const kind of ["market", "own"] as const) {
    const feed = `with ${kind === "own" ? "the load test's own" : "an external"} feed`;
    for (const args of [
      ["sustained"],
      RECONNECT,
      ["sustained", "--last"],
      ["sustained", "--max-rate", "4"],
      [...RECONNECT, "--max-rate", "4", "--last"],
    ])
      test(`a correct gateway passes ${args.join(" ")} ${feed}`, async (t) => {
        const { result } = await runInProcess(t, "nothing", kind, ["--duration", "3", ...args]);
        assert.deepEqual([result.outcome, failed(result)], ["passed", []], JSON.stringify(result.checks));
        assert.equal(result.open, CONNECTIONS);
        // With a rate, most messages are left out.
        const least = args.includes("--max-rate") ? 20 : 100;
        assert.ok(result.messages > 50 && result.latency.samples > least);
        const stage = result.stages[0]?.latency.samples ?? 0;
        assert.ok(stage > least && stage + result.caughtUp <= result.deliveries, `${stage}`);
      });

    for (const { defect, failedCheck, feeds, args = ["sustained"], counted = true } of CASES) {
      if (feeds !== undefined && !feeds.includes(kind)) continue;
      test(`detects the defect ${defect} ${feed}`, async (t) => {
        const { result, gateway } = await runInProcess(
          t,
          defect,
          kind,
          args.includes("--duration") ? args : ["--duration", "3", ...args],
        );
        if (counted) assert.ok(gateway.defects > 0, "the defect occurred");
        // A defect may fail several checks, but at least this one.
        assert.ok(failed(result).includes(failedCheck), JSON.stringify(result.checks, null, 1));
        assert.equal(result.outcome, "failed");
      });
    }

    test(`a missing number is requested and arrives ${feed}`, async (t) => {
      const { result, gateway } = await runInProcess(t, "drop-with-gap", kind, [
        "sustained",
        "--duration",
        "3",
      ]);
      assert.deepEqual(failed(result), [], JSON.stringify(result.checks));
      assert.deepEqual([result.gaps, result.replays, gateway.defects], [1, 1, 1]);
    });
  }

  test("with an own feed, everything that was stored is due, even if the gateway lost the stream", async (t) => {
    const { result } = await runInProcess(t, "cut-off", "own", ["sustained", "--duration", "2"]);
    const due = result.published * 5;
    assert.match(textOf(result, LOSS), /deliveries lost by 20 clients/);
    assert.equal(result.deliverySummary.lost, due - result.deliveries);
    assert.ok(failed(result).includes("Delivery count matches published messages"));
  });

  test("a stall at the end counts for the stage in which the messages were due", async (t) => {
    const { result } = await runInProcess(t, "stall", "own", ["throughput", "--duration", "3"]);
    const [stage] = result.stages;
    assert.equal(stage?.deliveries, result.deliveries);
    assert.ok((stage?.latency.p99 ?? 0) > 2500, JSON.stringify(stage));
    assert.ok((stage?.to ?? 0) < result.seconds + 0.5, "the stage ends on time");
  });

  test("the report names a command that failed", async (t) => {
    const { result } = await runInProcess(t, "nothing", "own", [
      ...RECONNECT,
      "--kill",
      "exit 3",
      "--duration",
      "2",
    ]);
    assert.match(textOf(result, "Command of --kill"), /"exit 3" ended with 3/);
    assert.ok(failed(result).includes("Command of --kill"));
  });

  test("a stop while connecting: opens no more connections, and skips what was not observed", async (t) => {
    const { result } = await runInProcess(
      t,
      "nothing",
      "own",
      ["sustained", "--duration", "60", "--connect-rate", "5"],
      (stop) => setTimeout(() => stop.abort(), 1500),
    );
    assert.equal(result.outcome, "stopped");
    assert.deepEqual(failed(result), []);
    assert.ok(result.served > 0 && result.served < CONNECTIONS / 2, `${result.served}`);
    assert.equal(result.open, result.served, "no more connections were opened");
  });
});
