/** Runs a load test inside the test process, against a fake gateway. */

import type { TestContext } from "node:test";
import { Worker, type WorkerCommand } from "../client/worker.ts";
import { type Defect, FakeGateway } from "../fake-gateway.fixture.ts";
import { readOptions } from "../settings/options.ts";
import { wallMicros } from "../traffic/clock.ts";
import { createFeed } from "../traffic/create-feed.ts";
import type { Feed } from "../traffic/feed.ts";
import { seal } from "../traffic/payload.ts";
import { type FeedKind, marketPlan, type Plan } from "../traffic/plan.ts";
import { ExpectedMessages } from "../verdict/expected-messages.ts";
import type { Result } from "../verdict/result.ts";
import { Run } from "./run.ts";
import type { OnSample, RunWorkers } from "./worker-pool.ts";

export const CONNECTIONS = 40;
const FINISH_MS = 6000; // 6 s, longer than the fake gateway stalls
const RATE = 50; // messages a second
const TOKENS = ["BTC", "ETH", "SOL", "global"];
const OWN: Plan = {
  kind: "own",
  connections: CONNECTIONS,
  subscribers: 5,
  channels: ["LOAD00.trade", "LOAD01.trade", "LOAD02.trade", "LOAD03.trade"],
};

/** Publishes like the load test's own publisher, but directly to the fake gateway. */
class DirectFeed implements Feed {
  readonly kind = "own";
  readonly controlled = true;
  readonly description = "";
  readonly failures = { count: 0, first: "" };
  readonly #store: (channel: string, data: object) => void;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(store: (channel: string, data: object) => void) {
    this.#store = store;
  }

  async ready(): Promise<void> {}

  async prime(): Promise<void> {
    for (const channel of OWN.channels)
      this.#store(channel, seal({ n: ++this.#count, due: Math.round(wallMicros()) }, { price: 0 }));
  }

  async setRate(perSecond: number): Promise<void> {
    clearInterval(this.#timer);
    const begin = performance.now();
    const tick = () => {
      while (this.#count < ((performance.now() - begin) / 1000) * perSecond) {
        const n = ++this.#count;
        this.#store(
          OWN.channels[n % OWN.channels.length] as string,
          seal({ n, due: Math.round(wallMicros()) }, { price: n }),
        );
      }
    };
    this.#timer = setInterval(tick, 1000 / perSecond);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
  }
}

/** Two workers in this process. */
function inProcessWorkers(onSample: OnSample): RunWorkers {
  let workers: Worker[] = [];
  return {
    failed: new Promise<never>(() => {}),
    assign: async (common) => {
      workers = [0, 1].map(
        (worker) =>
          new Worker({ ...common, worker, workers: 2 }, (message) => {
            if (message.kind === "sample") onSample(message.sample, worker);
          }),
      );
    },
    ask: (command) => Promise.all(workers.map((worker) => worker.execute(command as WorkerCommand))) as never,
    close: async () => {
      await Promise.all(workers.map((worker) => worker.execute({ kind: "close", timeoutMs: 100 })));
    },
    kill: () => {},
  };
}

/**
 * @param args scenario and options
 * @param onStart receives the controller that stops the run
 */
export async function runInProcess(
  t: TestContext,
  wrong: Defect,
  kind: FeedKind,
  args: readonly string[],
  onStart: (stop: AbortController) => void = () => {},
): Promise<{ gateway: FakeGateway; result: Result }> {
  const own = kind === "own";
  const gateway = new FakeGateway(wrong, own ? OWN.channels[0] : undefined);
  t.after(() => gateway.stop());
  const { url, metrics } = await gateway.start();
  const given = ["--connections", `${CONNECTIONS}`, "--rate", `${RATE}`, "--workers", "2"];
  // Latency on a busy machine must not fail a test, unless the test sets a limit.
  const latencyLimit = args.includes("--max-p99") ? [] : ["--max-p99", "60000"];
  const where = ["--url", url, "--metrics", metrics, ...(own ? ["--nats", "nats://127.0.0.1:1"] : [])];
  const options = readOptions([...args, ...given, ...latencyLimit, ...where], {});
  if (options === "help" || "mistakes" in options) throw new Error(JSON.stringify(options));
  const expected = new ExpectedMessages();
  const plan = own ? OWN : marketPlan(CONNECTIONS, RATE, { tokens: TOKENS, rate: RATE });
  const feed = own
    ? new DirectFeed((channel, data) =>
        expected.addStored(gateway.publish(channel, data), channel, performance.now()),
      )
    : createFeed(options, plan, 0, () => {});
  const stop = new AbortController();
  const prepared = { plan, feed, expected, rates: options.rates, slow: 0 };
  const run = new Run(options, prepared, inProcessWorkers, { phase() {}, tick() {} }, stop.signal, FINISH_MS);
  onStart(stop);
  return { gateway, result: await run.go() };
}
