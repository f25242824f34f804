/** A region whose gateways read a mirror: epochs, offsets, last values, and what happens to the mirror. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connectPublisher, revoke } from "@odin-ws/publisher";
import { connect, refusal, type TestClient } from "../../harness/client.ts";
import type { Gateway } from "../../harness/gateway.ts";
import { STREAM, withoutNats } from "../../harness/nats.ts";
import { issue } from "../../harness/tokens.ts";
import { eventually } from "../../harness/wait.ts";
import { HOME_DOMAIN, LAST_STREAM, startRegions } from "./regions.ts";

/** Deadline for what takes some round trips and a restart of a consumer, on a busy machine. */
const RECOVERY_MS = 20_000; // 20 s

const offsets = (client: TestClient) => client.envelopes.map(({ offset }) => offset);
const values = (client: TestClient) => client.envelopes.map(({ data }) => data);
const json = (...texts: string[]) => texts.map((text) => JSON.stringify(text));

interface RegionHealth {
  home: string;
  connected: boolean;
  lag_messages: number;
  lag_seconds: number;
}

async function regionOf(gateway: Gateway): Promise<RegionHealth> {
  const { status, body } = await gateway.ops("/health");
  assert.equal(status, 200, body);
  return (JSON.parse(body) as { region: RegionHealth }).region;
}

/** Waits until the gateway has read up to this offset. */
const read = (gateway: Gateway, offset: number) =>
  eventually(
    () => `offset ${offset}:\n${gateway.process.tail()}`,
    async () => (await gateway.stats()).offset >= offset,
    RECOVERY_MS,
  );

/** Waits until the gateway has another epoch than this one, and returns it. */
const otherEpoch = (gateway: Gateway, epoch: string) =>
  eventually(
    () => `another epoch than ${epoch}:\n${gateway.process.tail()}`,
    async () => {
      const found = (await gateway.stats()).epoch;
      return found !== epoch && found;
    },
    RECOVERY_MS,
  );

describe("a region with a mirror", { skip: withoutNats(), concurrency: true }, () => {
  test("epochs and offsets are the same in both regions, and a client resumes in the other region", async (t) => {
    const regions = await startRegions(t);
    const home = await regions.homeGateway();
    await regions.home.publishAll("odin.token.A.trade", [0, 1, 2]);
    const far = await regions.farGateway();
    const { epoch } = await home.stats();
    assert.equal((await far.stats()).epoch, epoch);
    const first = await connect(t, far);
    assert.deepEqual(first.position, { epoch, offset: 3 });
    await first.subscribe(["A.trade"], { epoch, offset: 1 });
    // Publishers write to the nearest server.
    assert.equal(await regions.far.publish("odin.token.A.trade", 3), 4);
    assert.equal(await regions.home.publish("odin.token.A.trade", 4), 5);
    await first.receive(4, RECOVERY_MS);
    assert.deepEqual(offsets(first), [2, 3, 4, 5]);
    assert.deepEqual(values(first), [1, 2, 3, 4]);
    const moved = await connect(t, home);
    assert.equal((await moved.subscribe(["A.trade"], { epoch, offset: 3 })).recovered, true);
    await moved.receive(2);
    assert.deepEqual(offsets(moved), [4, 5]);
    const { config } = await regions.far.jsm.streams.info(STREAM);
    assert.deepEqual(config.mirror, {
      name: STREAM,
      external: { api: `$JS.${HOME_DOMAIN}.API`, deliver: "" },
    });
    assert.equal((await regionOf(far)).connected, true);
    assert.doesNotMatch((await home.ops("/health")).body, /region/);
  });

  test("a message that is published in both regions with the same id is stored once", async (t) => {
    const regions = await startRegions(t);
    const home = await regions.homeGateway();
    const far = await regions.farGateway();
    const clients = await Promise.all([connect(t, home), connect(t, far)]);
    for (const client of clients) await client.subscribe(["A.trade"]);
    const same = { headers: { "Nats-Msg-Id": "same" } };
    assert.equal(await regions.far.publish("odin.token.A.trade", 1, same), 1);
    assert.equal(await regions.home.publish("odin.token.A.trade", 1, same), 1);
    assert.equal(await regions.far.publish("odin.token.A.trade", 2), 2);
    for (const client of clients) {
      await client.receive(2, RECOVERY_MS);
      assert.deepEqual(values(client), [1, 2]);
    }
  });

  test("a publisher in the region creates the stream at home, and the gateway mirrors it", async (t) => {
    const regions = await startRegions(t);
    const far = await regions.farGateway({ until: "live" });
    const { body } = await far.health(503);
    assert.match(body, /nats|history/);
    await eventually("the reason", () => /has no mirror of ODIN_TOKENS yet/.test(far.process.output));
    const publisher = connectPublisher({
      servers: regions.far.url,
      createStream: true,
      homeDomain: HOME_DOMAIN,
    });
    t.after(() => publisher.close({ timeoutMs: 0 }));
    const { offset } = await publisher.publish({ id: "one", subject: "odin.token.A.trade", data: 1 });
    assert.equal(offset, 1);
    assert.deepEqual((await regions.home.jsm.streams.info(STREAM)).config.mirror, undefined);
    await far.health(200, RECOVERY_MS);
    await read(far, 1);
  });

  test("when home creates its stream again, the region follows with the same new epoch", async (t) => {
    const regions = await startRegions(t);
    const home = await regions.homeGateway();
    const far = await regions.farGateway();
    const client = await connect(t, far);
    await client.subscribe(["A.trade"]);
    await regions.home.publishAll("odin.token.A.trade", Array(20).fill(0));
    await client.receive(20, RECOVERY_MS);
    const { epoch } = await home.stats();
    await regions.home.recreateStream();
    const stored = await regions.home.publishAll("odin.token.A.trade", json("new 1", "new 2"));
    assert.deepEqual(stored, [1, 2]);
    const next = await otherEpoch(far, epoch);
    assert.equal(next, await otherEpoch(home, epoch));
    await client.receive(22, RECOVERY_MS);
    assert.deepEqual(values(client).slice(20), ["new 1", "new 2"]);
    assert.deepEqual(offsets(client).slice(20), [1, 2]);
    // The stream of last values follows, too.
    await eventually(
      "last values of the new stream",
      async () => {
        const { state } = await regions.far.jsm.streams.info(LAST_STREAM);
        return state.last_seq === 2;
      },
      RECOVERY_MS,
    );
  });

  test("a purge at home keeps the epoch, and the region continues", async (t) => {
    const regions = await startRegions(t);
    const home = await regions.homeGateway();
    const far = await regions.farGateway();
    const client = await connect(t, far);
    await client.subscribe(["A.trade"]);
    await regions.home.publishAll("odin.token.A.trade", [1, 2, 3]);
    await client.receive(3, RECOVERY_MS);
    await regions.home.jsm.streams.purge(STREAM);
    await regions.home.publish("odin.token.A.trade", 4);
    await client.receive(4, RECOVERY_MS);
    assert.deepEqual(offsets(client), [1, 2, 3, 4]);
    const { epoch } = await home.stats();
    assert.equal((await far.stats()).epoch, epoch);
    assert.equal(client.welcome.epoch, epoch);
  });

  test("a region that starts while home's stream is empty has home's offsets", async (t) => {
    const regions = await startRegions(t);
    const home = await regions.homeGateway();
    await regions.home.publishAll("odin.token.A.trade", [1, 2, 3]);
    await regions.home.jsm.streams.purge(STREAM);
    const far = await regions.farGateway();
    const client = await connect(t, far);
    assert.deepEqual(client.position, { epoch: (await home.stats()).epoch, offset: 3 });
    await client.subscribe(["A.trade"]);
    await regions.home.publish("odin.token.A.trade", 4);
    await client.receive(1, RECOVERY_MS);
    assert.deepEqual(offsets(client), [4]);
  });

  test("when home has lost messages that the region has read, both get the same new epoch", async (t) => {
    const regions = await startRegions(t);
    const before = await regions.homeGateway();
    const far = await regions.farGateway();
    const client = await connect(t, far);
    await client.subscribe(["A.trade"]);
    await regions.home.publishAll("odin.token.A.trade", json("kept 1", "kept 2"));
    await regions.home.copyStore();
    await regions.home.publishAll("odin.token.A.trade", json("lost 3", "lost 4", "lost 5"));
    await client.receive(5, RECOVERY_MS);
    const { epoch } = await far.stats();
    // No gateway of the home region remembers the lost messages.
    await before.stop();
    await regions.home.kill();
    await regions.home.goBack();
    await regions.home.start();
    await regions.home.publish("odin.token.A.trade", JSON.stringify("new 3"));
    const home = await regions.homeGateway();
    const next = await otherEpoch(far, epoch);
    await eventually("the same epoch at home", async () => (await home.stats()).epoch === next, RECOVERY_MS);
    await client.receive(6, RECOVERY_MS);
    assert.deepEqual(offsets(client), [1, 2, 3, 4, 5, 3]);
    assert.equal(values(client).at(-1), "new 3");
  });

  test("the same when home has stored more messages by then than the region has read", async (t) => {
    const regions = await startRegions(t);
    const before = await regions.homeGateway();
    const far = await regions.farGateway();
    const client = await connect(t, far);
    await client.subscribe(["A.trade"]);
    await regions.home.publish("odin.token.A.trade", JSON.stringify("kept 1"));
    await regions.home.copyStore();
    await regions.home.publishAll("odin.token.A.trade", json("lost 2", "lost 3"));
    await client.receive(3, RECOVERY_MS);
    const { epoch } = await far.stats();
    await before.stop();
    regions.link.cut();
    await regions.home.kill();
    await regions.home.goBack();
    await regions.home.start();
    await regions.home.publishAll("odin.token.A.trade", json("new 2", "new 3", "new 4", "new 5"));
    await far.metric("ws_region_connected", {}, (value) => value === 0, RECOVERY_MS);
    regions.link.restore();
    await otherEpoch(far, epoch);
    await client.receive(7, RECOVERY_MS);
    assert.deepEqual(values(client).slice(3), ["new 2", "new 3", "new 4", "new 5"]);
    assert.deepEqual(offsets(client), [1, 2, 3, 2, 3, 4, 5]);
  });

  test("a mirror that was made by hand gets the epoch of home and keeps its limits", async (t) => {
    const regions = await startRegions(t);
    const home = await regions.homeGateway();
    await regions.home.publish("odin.token.A.trade", 1);
    await regions.far.jsm.streams.add({
      name: STREAM,
      mirror: { name: STREAM, domain: HOME_DOMAIN },
      max_age: 60e9,
    });
    const far = await regions.farGateway();
    await read(far, 1);
    assert.equal((await far.stats()).epoch, (await home.stats()).epoch);
    assert.equal((await regions.far.jsm.streams.info(STREAM)).config.max_age, 60e9);
  });

  test("a stream in the region that is not a mirror is not read, and the log says what to do", async (t) => {
    const regions = await startRegions(t);
    await regions.homeGateway();
    await regions.far.jsm.streams.add({ name: STREAM, subjects: ["elsewhere.>"] });
    const far = await regions.farGateway({ until: "live" });
    await eventually("advice", () =>
      /ODIN_TOKENS exists in this region, and is not a mirror .* delete it/.test(far.process.output),
    );
    assert.equal((await far.ops("/health")).status, 503);
  });

  test("a revocation from one region closes connections in the other, and is known to new gateways", async (t) => {
    const secret = "a secret of the identity service";
    const env = { AUTH_MODE: "jwt", JWT_SECRET: secret };
    const regions = await startRegions(t);
    await regions.homeGateway({ env });
    const far = await regions.farGateway({ env });
    const token = await issue(secret, { sub: "ann" });
    const client = await connect(t, far, { token });
    await revoke({ user: "ann" }, { servers: regions.home.url });
    assert.equal((await client.ended(RECOVERY_MS)).code, 4401);
    const other = await issue(secret, { sub: "bob" });
    const stays = await connect(t, far, { token: other });
    await revoke({ user: "bob" }, { servers: regions.far.url, homeDomain: HOME_DOMAIN });
    assert.equal((await stays.ended(RECOVERY_MS)).code, 4401);
    // A gateway that starts while the region is cut off knows them from the mirror.
    regions.link.cut();
    const late = await regions.farGateway({ env });
    for (const revoked of [token, other]) {
      const { status, body } = await refusal(t, late, { token: revoked });
      assert.equal(status, 401, body);
    }
  });

  test("the limit of a user holds over both regions", async (t) => {
    const secret = "a secret of the identity service";
    const env = { AUTH_MODE: "jwt", JWT_SECRET: secret, WS_MAX_CONNECTIONS_PER_USER: "1" };
    const regions = await startRegions(t);
    const home = await regions.homeGateway({ env });
    const far = await regions.farGateway({ env });
    for (const gateway of [home, far])
      await gateway.metric("ws_user_limit_gateways", {}, (count) => count === 2, RECOVERY_MS);
    const token = await issue(secret, { sub: "ann" });
    const first = await connect(t, home, { token });
    assert.equal((await refusal(t, far, { token })).status, 429);
    await first.close();
    const second = await eventually("the free seat", () => connect(t, far, { token }), RECOVERY_MS);
    assert.equal((await refusal(t, home, { token })).status, 429);
    await second.close();
  });

  test("the region has last values that have left the stream", async (t) => {
    const regions = await startRegions(t);
    const env = { JS_STREAM_MAX_AGE: "1s" };
    await regions.homeGateway({ env });
    await regions.home.publish("odin.token.OLD.trade", 7);
    await eventually("the end of the message in the stream", async () => {
      const { state } = await regions.home.jsm.streams.info(STREAM);
      return state.messages === 0;
    });
    const far = await regions.farGateway({ env });
    const client = await connect(t, far);
    client.send({ type: "subscribe", channels: ["OLD.trade"], last: true });
    await client.receive(1, RECOVERY_MS);
    assert.deepEqual(values(client), [7]);
    const { config } = await regions.far.jsm.streams.info(LAST_STREAM);
    assert.equal(config.mirror?.name, LAST_STREAM);
  });
});
