/**
 * Two regions in two network namespaces, 80 ms apart: real NATS servers, gateways and clients on both sides,
 * and publishers that write to the nearest server. The line between the regions is cut, the home region dies,
 * and the mirror is made again. A model checks what each client has received: in order, once, nothing lost.
 */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connectPublisher, type Publisher } from "@odin-ws/publisher";
import { type Losses, Model, type Stored } from "../../chaos/model.ts";
import { seeded } from "../../chaos/schedule.ts";
import { Viewer } from "../../chaos/site/viewer.ts";
import type { Gateway } from "../../harness/gateway.ts";
import { type Nats, STREAM, withoutNats } from "../../harness/nats.ts";
import type { Owner } from "../../harness/owner.ts";
import { eventually, pause } from "../../harness/wait.ts";
import { whyNoMachine } from "../../startup/machine.ts";
import { startEntrance } from "./entrance.ts";
import { createNetwork } from "./network.ts";
import { HOME_DOMAIN, LAST_STREAM, type Regions, startRegions } from "./regions.ts";

/** A region notices and catches up within this time on a busy machine. */
const RECOVERY_MS = 40_000;
/**
 * The line is cut for this time: long enough for both sides to give the connection up, and to come back. A
 * minute, as in an outage of a network, is `ODIN_CUT_SECONDS=60`.
 */
const CUT_MS = Number(process.env.ODIN_CUT_SECONDS ?? 10) * 1000;
const TIMEOUT_MS = 120_000 + 2 * CUT_MS;
const VIEWERS = 4; // in each region
const CHANNELS = 16;
/** Of each publisher. One message of a channel is on its way at a time, and the way takes 80 ms. */
const PUBLISH_MS = 40;
/** Messages stay for longer than all faults together: what is lost is lost by a mistake. */
const ENV = { JS_STREAM_MAX_AGE: "5m", WS_WORKER_POOL_SIZE: "1" };
const NO_LOSSES: Losses = [];

/** Writes to the server of one region. No other publisher writes to its channels. */
class Backend {
  readonly stored: Stored[] = [];
  readonly publisher: Publisher;
  readonly #channels: readonly string[];
  readonly #first: number;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(owner: Owner, nats: Nats, homeDomain: string | undefined, first: number) {
    this.#first = first;
    this.#channels = Array.from({ length: CHANNELS / 2 }, (_, n) => `S${first + n}`);
    this.publisher = connectPublisher({ servers: nats.url, ...(homeDomain !== undefined && { homeDomain }) });
    owner.after(() => this.publisher.close({ timeoutMs: 0 }));
    owner.after(() => this.stop());
  }

  start(): void {
    this.#timer = setInterval(() => this.#publish(), PUBLISH_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #publish(): void {
    const n = this.#first + this.#count * CHANNELS;
    const symbol = this.#channels[this.#count++ % this.#channels.length];
    const publishedAt = Date.now();
    this.publisher.publish({ id: `n-${n}`, subject: `odin.token.${symbol}.trade`, data: { n } }).then(
      ({ offset }) =>
        this.stored.push({ n, channel: `${symbol}.trade`, offset, publishedAt, storedAt: Date.now() }),
      () => {},
    );
  }
}

const allChannels = Array.from({ length: CHANNELS }, (_, n) => `S${n}.trade`);

async function region(gateway: Gateway): Promise<{ connected: boolean; lag_seconds: number }> {
  const { body } = await gateway.ops("/health");
  return (JSON.parse(body) as { region: { connected: boolean; lag_seconds: number } }).region;
}

/** Waits until every gateway has read all that is stored. */
async function settled(regions: Regions, gateways: readonly Gateway[]): Promise<void> {
  const { state } = await regions.home.jsm.streams.info(STREAM);
  for (const gateway of gateways) {
    await eventually(
      () => `offset ${state.last_seq}:\n${gateway.process.tail()}`,
      async () => (await gateway.stats()).offset >= state.last_seq,
      RECOVERY_MS,
    );
  }
}

describe("two regions, 80 ms apart", { skip: whyNoMachine() || withoutNats(), timeout: TIMEOUT_MS }, () => {
  test("a cut line, a mirror that is made again and a dead home region lose, repeat and mix up nothing", async (t) => {
    const [homeNetwork, farNetwork] = [await createNetwork(t, 0), await createNetwork(t, 1)];
    const regions = await startRegions(t, {
      home: homeNetwork,
      far: farNetwork,
      link: farNetwork.gateway,
    });
    const home = await regions.homeGateway({ env: ENV });
    const far = await regions.farGateway({ env: ENV });
    const backends = [
      new Backend(t, regions.home, undefined, 0),
      new Backend(t, regions.far, HOME_DOMAIN, CHANNELS / 2),
    ];
    const random = seeded(17);
    // Half of the clients use the compact encoding, whose dictionaries differ between the regions.
    let watching = 0;
    const watch = (name: string, url: string) =>
      new Viewer({
        name,
        url,
        random,
        compact: watching++ % 2 === 0,
        fallback: false,
        token: async () => "no token is needed",
      });
    const entrances = [await startEntrance(t, () => [home, far]), await startEntrance(t, () => [far, home])];
    const viewers = entrances.flatMap((url, index) =>
      Array.from({ length: VIEWERS }, (_, n) => {
        const viewer = watch(`client ${n} of region ${index}`, url);
        t.after(() => viewer.client.close());
        viewer.listen(allChannels);
        return viewer;
      }),
    );
    for (const viewer of viewers)
      await eventually("subscribed clients", () => viewer.current?.liveAt !== undefined);
    assert.equal((await home.stats()).connections, VIEWERS);
    assert.equal((await far.stats()).connections, VIEWERS);
    for (const backend of backends) backend.start();
    const received = () => viewers.map(({ current }) => current?.entries.length ?? 0);
    const epochs = async () => [(await home.stats()).epoch, (await far.stats()).epoch];
    const [epoch] = await epochs();
    await eventually("messages", () => received().every((count) => count > 100), RECOVERY_MS);

    const started = performance.now();
    const step = (text: string) =>
      t.diagnostic(`${Math.round((performance.now() - started) / 100) / 10} s: ${text}`);
    step("the line is cut");
    regions.link.cut();
    await eventually("a region that says that it is cut off", async () => !(await region(far)).connected);
    assert.equal((await far.ops("/health")).status, 200, "the region serves what it has");
    await far.metric("ws_region_connected", {}, (value) => value === 0);
    await far.metric("ws_nats_lag_seconds", {}, (seconds) => seconds > 4);
    assert.equal((await home.metrics()).sum("ws_region_connected"), 1);
    // A client that connects now gets what the region has.
    const late = watch("client of the cut region", entrances[1] as string);
    t.after(() => late.client.close());
    late.listen(allChannels);
    viewers.push(late);
    await eventually("the client", () => late.current?.liveAt !== undefined);
    await pause(CUT_MS);
    regions.link.restore();
    step("the line is back");
    await eventually("the line", async () => (await region(far)).connected, RECOVERY_MS);
    await settled(regions, [home, far]);
    step("the region has what it missed");
    await eventually(
      "a region that is in step",
      async () => {
        const { lag_seconds } = await region(far);
        return lag_seconds < 4;
      },
      RECOVERY_MS,
    );

    step("the mirror is made again");
    const before = (await regions.far.jsm.streams.info(STREAM)).created;
    await regions.far.jsm.streams.delete(STREAM);
    await regions.far.jsm.streams.delete(LAST_STREAM);
    await eventually(
      "another mirror",
      async () => (await regions.far.jsm.streams.info(STREAM)).created !== before,
      RECOVERY_MS,
    );
    await settled(regions, [home, far]);
    assert.deepEqual(await epochs(), [epoch, epoch]);

    step("the home region dies, and its clients go to the other region");
    await home.process.dispose();
    await regions.home.kill();
    await eventually(
      "all clients in the other region",
      async () => (await far.stats()).connections === viewers.length,
      RECOVERY_MS,
    );
    await pause(2000);
    await regions.home.start();
    step("NATS of the home region is back");
    await eventually("the line", async () => (await region(far)).connected, RECOVERY_MS);
    await settled(regions, [far]);

    step("the region has everything");
    for (const backend of backends) backend.stop();
    for (const { publisher } of backends) await publisher.flush();
    step("everything is stored");
    await settled(regions, [far]);
    step("the region has read everything");
    const stored = backends.flatMap((backend) => backend.stored);
    const model = new Model(stored, NO_LOSSES);
    await eventually(
      () =>
        model
          .check((viewers[0] as Viewer).current as never)
          .map(({ what }) => what)
          .join("\n")
          .slice(0, 2000),
      () => viewers.every(({ journals }) => journals.every((journal) => model.check(journal).length === 0)),
      RECOVERY_MS,
    );
    assert.ok(stored.length > 1000, `${stored.length} messages`);
    assert.equal((await far.stats()).epoch, epoch, "no epoch has changed");
    const { state } = await regions.home.jsm.streams.info(STREAM);
    assert.equal(state.last_seq, stored.length, "each message is stored once");
    for (const { errors } of viewers) assert.deepEqual(errors, []);
    t.diagnostic(`${stored.length} messages stored, ${received()} received`);
  });
});
