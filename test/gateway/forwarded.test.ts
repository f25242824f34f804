/** What a proxy, and a client in front of the proxy, may write into X-Forwarded-For. */

import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect as dial } from "node:net";
import { before, describe, test } from "node:test";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Owner, suiteOwner } from "../harness/owner.ts";
import { pause } from "../harness/wait.ts";

const ATTEMPTS = 2;
const SECOND_MS = 1000;

/** Upgrades with these lines as X-Forwarded-For, and returns the status. */
async function upgrade(owner: Owner, gateway: Gateway, values: readonly string[]): Promise<string> {
  const socket = dial(gateway.wsPort, "127.0.0.1");
  owner.after(() => void socket.destroy());
  socket.write(
    [
      "GET /ws HTTP/1.1",
      "Host: gateway",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...values.map((value) => `X-Forwarded-For: ${value}`),
      "\r\n",
    ].join("\r\n"),
  );
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return answer.toString("latin1").split(" ")[1] ?? "";
}

describe("X-Forwarded-For", { concurrency: true }, () => {
  const owner = suiteOwner();
  let gateway: Gateway;

  before(async () => {
    gateway = await startGateway(owner, {
      env: {
        WS_TRUSTED_PROXIES: "127.0.0.0/8,10.0.0.0/8,fd00::/8",
        WS_MAX_CONNECTS_PER_IP_PER_SECOND: "1",
      },
    });
  });

  /** Whether the gateway takes these two for one client: the second one in a second is refused. */
  async function isOneClient(t: Owner, first: readonly string[], second: readonly string[]) {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // An earlier attempt must not count.
      if (attempt > 0) await pause(SECOND_MS);
      assert.equal(await upgrade(t, gateway, first), "101");
      if ((await upgrade(t, gateway, second)) === "429") return true;
      // The two are different clients, or the next second has begun between them.
    }
    return false;
  }

  test("one client in every spelling, and through every chain of proxies", async (t) => {
    for (const [n, spell] of [
      (ip: string) => [`${ip}:4711`],
      (ip: string) => [`"${ip}"`],
      (ip: string) => [`\t${ip}  `],
      (ip: string) => [`::ffff:${ip}`],
      (ip: string) => [`[::ffff:${ip}]:9`],
      (ip: string) => [`${ip}, 10.0.0.7`],
      (ip: string) => [`${ip},10.0.0.7:80,[fd00::1]:80`],
      (ip: string) => [ip, "10.0.0.7"],
      (ip: string) => [`6.6.6.6, ${ip}`],
      (ip: string) => ["6.6.6.6", ip],
      (ip: string) => ["", ip],
      (ip: string) => [`unknown, , _x, ${ip}`],
      (ip: string) => [`${"6.6.6.6,".repeat(1000)}${ip}`],
    ].entries()) {
      const ip = `9.0.0.${n + 1}`;
      assert.equal(await isOneClient(t, [ip], spell(ip)), true, JSON.stringify(spell(ip)).slice(0, 80));
    }
    assert.equal(await isOneClient(t, ["2001:db8::1"], ["[2001:DB8:0:0::1]:443"]), true);
  });

  test("a client cannot appear as many clients", async (t) => {
    for (const hidden of ["unknown", "_hidden", "", "for=9.9.9.9", "999.1.1.1", "[::1", "9.9.9.9:x"]) {
      await pause(SECOND_MS); // each of these is the same client: the peer
      assert.equal(await isOneClient(t, [`5.0.0.1, ${hidden}`], [`5.0.0.2, ${hidden}`]), true, hidden);
    }
    assert.equal(await isOneClient(t, ["5.0.0.1, 8.8.8.8"], ["5.0.0.2, 8.8.8.8"]), true);
    await pause(SECOND_MS);
    assert.equal(await isOneClient(t, ["10.0.0.1"], ["10.0.0.2"]), true, "only proxies: the peer counts");
  });

  test("different clients are different", async (t) => {
    assert.equal(await isOneClient(t, ["7.0.0.1"], ["7.0.0.2"]), false);
    assert.equal(await isOneClient(t, ["7.0.0.3:80"], ["7.0.0.4:80"]), false);
    assert.equal(await isOneClient(t, ["2001:db8::3"], ["2001:db8::4"]), false);
    await gateway.assertAlive();
  });
});
