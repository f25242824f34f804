/** The client with tokens, against a gateway that checks them. */

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
  test("renews the token in time: one connection lasts longer than each token", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: ENV });
    let calls = 0;
    const token = () => issue(SECRET, { sub: "u", expiresIn: 4, n: calls++ });
    const witness = startWitness(t, gateway.url, { token });
    const book = await witness.listen("TOKEN.trade");
    const feed = startFeed(t, nats, ["TOKEN.trade"], 1);
    await eventually("five tokens", () => calls >= 5, 30_000);
    await assertExact(book, await feed.stop());
    assert.ok(
      !witness.states.some(({ state }) => state === "waiting"),
      "the client never lost the connection",
    );
    assert.deepEqual([witness.refetches, witness.errors], [[], []]);
  });

  test("reconnects with a fresh token after the old one has expired, without a loss", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: ENV });
    let calls = 0;
    // Returns the first token three times, like a function that caches its token for too long.
    let first: Promise<string> | undefined;
    const token = () => {
      first ??= issue(SECRET, { sub: "u", expiresIn: 3 });
      return calls++ < 3 ? first : issue(SECRET, { sub: "u" });
    };
    const witness = startWitness(t, gateway.url, { token });
    const book = await witness.listen("CUT.trade");
    const feed = startFeed(t, nats, ["CUT.trade"], 1);
    await eventually("an expired token", () => witness.states.some(({ code }) => code === 4401), 20_000);
    await witness.until("open", 20_000);
    const count = book.got.length;
    await eventually("messages", () => book.got.length > count + 20);
    await assertExact(book, await feed.stop());
    assert.deepEqual(witness.refetches, []);
  });

  test("a plain token ends the client when it expires; an error names a channel that it does not cover", async (t) => {
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
    assert.deepEqual(
      [witness.client.status.reason, witness.client.status.code],
      ["ended: token expired", 4401],
    );
  });
});
