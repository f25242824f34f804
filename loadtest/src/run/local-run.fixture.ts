/** Runs a load test within the test's own process, against a gateway of the test's own. */

import type { TestContext } from "node:test";
import { Worker } from "../client/worker.ts";
import type { Command } from "../control.ts";
import { FakeGateway, type Wrong } from "../fake-gateway.fixture.ts";
import { readOptions } from "../settings/options.ts";
import { wallMicros } from "../traffic/clock.ts";
import { createFeed } from "../traffic/create-feed.ts";
import type { Feed } from "../traffic/feed.ts";
import { sealed } from "../traffic/payload.ts";
import { type FeedKind, marketPlan, type Plan } from "../traffic/plan.ts";
import { Ledger } from "../verdict/ledger.ts";
import type { Result } from "../verdict/result.ts";
import type { OnSample, Team } from "./crew.ts";
import { Run } from "./run.ts";

export const CONNECTIONS = 40;
const FINISH = 6000; // 6 s: longer than a gateway of these tests stalls
const RATE = 50; // messages a second
const TOKENS = ["BTC", "ETH", "SOL", "global"];
const OWN: Plan = {
  kind: "own",
  connections: CONNECTIONS,
  subscribers: 5,
  hot: ["LOAD00.trade", "LOAD01.trade", "LOAD02.trade", "LOAD03.trade"],
};

/** As the load test's own publisher, but straight onto the gateway's stream. */
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

  async setRate(perSecond: number): Promise<void> {
    clearInterval(this.#timer);
    const begin = performance.now();
    const tick = () => {
      while (this.#count < ((performance.now() - begin) / 1000) * perSecond) {
        const n = ++this.#count;
        this.#store(
          OWN.hot[n % OWN.hot.length] as string,
          sealed({ n, due: Math.round(wallMicros()) }, { price: n }),
        );
      }
    };
    this.#timer = setInterval(tick, 1000 / perSecond);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
  }
}

/** Two workers without a process of their own. */
function localTeam(onSample: OnSample): Team {
  let workers: Worker[] = [];
  return {
    broken: new Promise<never>(() => {}),
    assign: async (common) => {
      workers = [0, 1].map(
        (worker) =>
          new Worker({ ...common, worker, workers: 2 }, (report) => {
            if (report.kind === "sample") onSample(report.sample, worker);
          }),
      );
    },
    ask: (command) =>
      Promise.all(
        workers.map((worker) => worker.obey(command as Exclude<Command, { kind: "assign" }>)),
      ) as never,
    close: async () => {
      await Promise.all(workers.map((worker) => worker.obey({ kind: "close", timeoutMs: 100 })));
    },
    kill: () => {},
  };
}

/**
 * @param args scenario and options
 * @param onStart gets what stops the run
 */
export async function runHere(
  t: TestContext,
  wrong: Wrong,
  kind: FeedKind,
  args: readonly string[],
  onStart: (stop: AbortController) => void = () => {},
): Promise<{ gateway: FakeGateway; result: Result }> {
  const own = kind === "own";
  const gateway = new FakeGateway(wrong, own ? OWN.hot[0] : undefined);
  t.after(() => gateway.stop());
  const { url, metrics } = await gateway.start();
  const given = ["--connections", `${CONNECTIONS}`, "--rate", `${RATE}`, "--workers", "2"];
  // Where latency counts the test says so.
  const patient = args.includes("--max-p99") ? [] : ["--max-p99", "60000"];
  const where = ["--url", url, "--metrics", metrics, ...(own ? ["--nats", "nats://127.0.0.1:1"] : [])];
  const options = readOptions([...args, ...given, ...patient, ...where], {});
  if (options === "help" || "problems" in options) throw new Error(JSON.stringify(options));
  const ledger = new Ledger();
  const plan = own ? OWN : marketPlan(CONNECTIONS, RATE, { tokens: TOKENS, rate: RATE });
  const feed = own
    ? new DirectFeed((channel, data) =>
        ledger.stored(gateway.publish(channel, data), channel, performance.now()),
      )
    : createFeed(options, plan, 0, () => {});
  const stop = new AbortController();
  const prepared = { plan, feed, ledger, rates: options.rates, slow: 0 };
  const run = new Run(options, prepared, localTeam, { phase() {}, tick() {} }, stop.signal, FINISH);
  onStart(stop);
  return { gateway, result: await run.go() };
}
