/** The client and tokens, against a gateway that checks them. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { startFeed } from "../harness/feed.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";
import { assertExact, startWitness } from "./witness.ts";

const SECRET = "a secret of at least thirty-two bytes";
const ENV = { AUTH_MODE: "jwt", JWT_SECRET: SECRET };

describe("client with a token", { skip: withoutNats(), concurrency: 3 }, () => {
  test("renews it in time: one connection, longer than any of its tokens", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: ENV });
    let asked = 0;
    const token = () => issue(SECRET, { sub: "u", expiresIn: 4, n: asked++ });
    const witness = startWitness(t, gateway.url, { token });
    const book = await witness.listen("TOKEN.trade");
    const feed = startFeed(t, nats, ["TOKEN.trade"], 1);
    await eventually("five tokens", () => asked >= 5, 30_000);
    await assertExact(book, await feed.stop());
    assert.ok(!witness.states.some(({ state }) => state === "waiting"), "it was never away");
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
  });

  test("comes back with a fresh one when it was cut off, without a loss", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: ENV });
    let asked = 0;
    // The second one is the first again: a function that remembers its token for too long.
    let first: Promise<string> | undefined;
    const token = () => {
      first ??= issue(SECRET, { sub: "u", expiresIn: 3 });
      return asked++ < 3 ? first : issue(SECRET, { sub: "u" });
    };
    const witness = startWitness(t, gateway.url, { token });
    const book = await witness.listen("CUT.trade");
    const feed = startFeed(t, nats, ["CUT.trade"], 1);
    await eventually("the end of a token", () => witness.states.some(({ code }) => code === 4401), 20_000);
    await witness.until("open", 20_000);
    const count = book.got.length;
    await eventually("messages", () => book.got.length > count + 20);
    await assertExact(book, await feed.stop());
    assert.deepEqual(witness.refetches, []);
  });

  test("a plain one ends the client when it ends; a channel that it does not cover is named", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: ENV });
    const token = await issue(SECRET, { sub: "u", expiresIn: 4, channels: ["MINE.*"] });
    const witness = startWitness(t, gateway.url, { token });
    witness.client.subscribe(["HIS.trade", "MINE.social"], () => {});
    const mine = await witness.listen("MINE.trade");
    const offset = await nats.publish("odin.token.MINE.trade", {});
    await eventually("the message", () => mine.got[0]?.offset === offset);
    assert.deepEqual(
      witness.errors.map(({ code, channels }) => [code, ...channels]),
      [["forbidden_channel", "HIS.trade"]],
    );
    await witness.until("closed", 20_000);
    assert.deepEqual([witness.client.status.reason, witness.client.status.code], ["token expired", 4401]);
  });
});
