import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EXPIRE_MS } from "./members.ts";
import type { UserLimit } from "./seat-owner.ts";
import { DIGEST_MS, HERE_MS } from "./service-seats.ts";
import { type Device, type SimulatedGateway, SimulatedService } from "./simulated-service.fixture.ts";

const REFUSE: UserLimit = { maxPerUser: 3, action: "refuse" };
const REPLACE: UserLimit = { maxPerUser: 3, action: "replace" };
/** The longest time after which all gateways agree: silence, digest, check, and the time to enforce. */
const SETTLED_MS = 2 * DIGEST_MS + 8000;

async function connected(gateway: SimulatedGateway, user = "u"): Promise<Device> {
  const outcome = await during(gateway.connect(user));
  assert.ok("user" in outcome, JSON.stringify(outcome));
  return outcome;
}

let service: SimulatedService;
/** Lets time pass until a promise has settled. */
async function during<T>(promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = promise.finally(() => {
    settled = true;
  });
  while (!settled) await service.pass(50);
  return done;
}

async function started(limit: UserLimit, count = 3): Promise<SimulatedGateway[]> {
  service = new SimulatedService(limit);
  return service.startAll(count);
}

/** The gateway that counts this user. */
const ownerOf = (user: string) => service.running.find((gateway) => gateway.booked(user).length > 0);

test("refuse: the limit holds over all gateways, and a seat that is freed is given again", async () => {
  const [a, b, c] = (await started(REFUSE)) as [SimulatedGateway, SimulatedGateway, SimulatedGateway];
  const first = await connected(a);
  await connected(b);
  await connected(c);
  for (const gateway of [a, b, c]) {
    const refusal = await during(gateway.connect("u"));
    assert.ok("reason" in refusal && refusal.reason === "per_user");
    assert.match(refusal.message, /3 connections already, the limit is 3/);
  }
  a.disconnect(first);
  await service.pass(100);
  await connected(c);
  await connected(a, "another");
  assert.equal(service.devicesOf("u").length, 3);
});

test("replace: the oldest connection is closed with 4409, on whatever gateway", async () => {
  const gateways = await started(REPLACE);
  const devices: Device[] = [];
  for (let n = 0; n < 9; n++) devices.push(await connected(gateways[n % 3] as SimulatedGateway));
  await service.pass(100);
  const codes = devices.map(({ code }) => code);
  assert.deepEqual(codes, [...Array(6).fill(4409), undefined, undefined, undefined]);
});

test("replace: connections that do not answer lose their seats before the oldest one", async () => {
  const [a, b, c] = (await started(REPLACE)) as [SimulatedGateway, SimulatedGateway, SimulatedGateway];
  const oldest = await connected(a);
  const dead = await connected(b);
  await connected(b);
  dead.alive = false;
  await connected(c);
  await service.pass(100);
  assert.deepEqual([oldest.code, dead.code], [undefined, 1006]);
});

test("refuse: a connection that does not answer gives its seat to a client of another gateway", async () => {
  const [a, b] = (await started(REFUSE)) as [SimulatedGateway, SimulatedGateway];
  const devices = [await connected(a), await connected(a), await connected(a)];
  for (const device of devices.slice(1)) device.alive = false;
  await connected(b);
  await connected(b);
  assert.ok("reason" in (await during(b.connect("u"))));
  assert.equal(devices[0]?.code, undefined);
});

test("two gateways that are asked at the same moment for the last seat give it once", async () => {
  for (let round = 0; round < 20; round++) {
    const gateways = await started(REFUSE, 4);
    await connected(gateways[0] as SimulatedGateway);
    await connected(gateways[1] as SimulatedGateway);
    const outcomes = await during(Promise.all(gateways.map((gateway) => gateway.connect("u"))));
    assert.equal(outcomes.filter((outcome) => "user" in outcome).length, 1);
  }
});

test("a gateway that was killed releases its seats: to a client that asks within 3 s, for all within 10 s", async () => {
  const [a, b] = (await started(REFUSE, 4)) as [SimulatedGateway, SimulatedGateway];
  for (let n = 0; n < 60; n++) for (let seat = 0; seat < 3; seat++) await connected(a, `u${n}`);
  a.kill();
  const from = service.now;
  const outcomes = await during(Promise.all(Array.from({ length: 20 }, (_, n) => b.connect(`u${n}`))));
  assert.ok(outcomes.every((outcome) => "user" in outcome));
  assert.ok(service.now - from <= 3000, `${service.now - from} ms`);
  await service.pass(from + 10_000 - service.now);
  for (let n = 20; n < 60; n++)
    for (const gateway of service.running) assert.deepEqual(gateway.booked(`u${n}`), []);
  for (const gateway of service.running) assert.equal(gateway.seats.gateways.length, 3);
});

test("a gateway that leaves releases its seats at once", async () => {
  const [a, b] = (await started(REFUSE, 4)) as [SimulatedGateway, SimulatedGateway];
  for (let n = 0; n < 30; n++) for (let seat = 0; seat < 3; seat++) await connected(a, `u${n}`);
  a.leave();
  await service.pass(50);
  const from = service.now;
  for (let n = 0; n < 30; n++) await connected(b, `u${n}`);
  assert.ok(service.now - from <= 30 * 100, "no client waited for an answer of the gateway that left");
  assert.ok(b.results.every((result) => result === "granted"));
});

test("without NATS a gateway decides alone; afterwards those beyond the limit are closed", async () => {
  for (const limit of [REFUSE, REPLACE]) {
    const [a, b] = (await started(limit)) as [SimulatedGateway, SimulatedGateway];
    const before = [await connected(b), await connected(b)];
    a.setCut(true);
    assert.equal(a.seats.shared, false);
    const meanwhile = [await connected(a), await connected(a), await connected(a)];
    assert.equal("reason" in (await during(a.connect("u"))), limit === REFUSE);
    await service.pass(20_000);
    a.setCut(false);
    await service.pass(SETTLED_MS);
    assert.equal(a.seats.shared, true);
    assert.equal(service.devicesOf("u").length, 3);
    const open = [...before, ...meanwhile].filter(({ code }) => code === undefined);
    if (limit === REFUSE) assert.deepEqual(open, [...before, meanwhile[0]], "the newest were closed");
    else
      assert.ok(
        before.every(({ code }) => code === 4409),
        "the oldest were closed",
      );
  }
});

test("an owner that answers nothing costs a client one second, and the next clients nothing", async () => {
  const gateways = await started(REFUSE);
  const [a, b] = gateways as [SimulatedGateway, SimulatedGateway];
  // A user whom neither a nor b counts.
  let user = "";
  for (let n = 0; user === ""; n++) {
    await connected(a, `u${n}`);
    if (ownerOf(`u${n}`) === gateways[2]) user = `u${n}`;
  }
  gateways[2]?.kill();
  const from = service.now;
  await connected(b, user);
  assert.ok(service.now - from >= 1000 && service.now - from <= 1200, `${service.now - from} ms`);
  const again = service.now;
  await connected(b, user);
  assert.ok(service.now - again <= 100);
  assert.deepEqual(b.results.slice(-2), ["unanswered", "unanswered"]);
  await service.pass(SETTLED_MS);
  assert.deepEqual(ownerOf(user)?.booked(user).sort(), [a.id, b.id, b.id].sort());
});

test("after a short loss of NATS, seats that were taken meanwhile are counted at once", async () => {
  const [a] = (await started(REFUSE)) as [SimulatedGateway];
  a.setCut(true);
  for (let n = 0; n < 20; n++) await connected(a, `u${n}`);
  await service.pass(1000);
  a.setCut(false);
  await service.pass(500);
  for (let n = 0; n < 20; n++) assert.deepEqual(ownerOf(`u${n}`)?.booked(`u${n}`), [a.id]);
});

test("gateways that come back from a loss of NATS one after the other agree at once", async () => {
  const gateways = await started(REFUSE);
  for (const gateway of gateways) gateway.setCut(true);
  for (let n = 0; n < 30; n++) await connected(gateways[n % 3] as SimulatedGateway, `u${n}`);
  for (const gateway of gateways) {
    await service.pass(500);
    gateway.setCut(false);
  }
  await service.pass(500);
  for (let n = 0; n < 30; n++) assert.deepEqual(ownerOf(`u${n}`)?.booked(`u${n}`), [gateways[n % 3]?.id]);
});

test("a gateway that the others took for ended is counted again as soon as they hear of it", async () => {
  const [a] = (await started(REFUSE)) as [SimulatedGateway];
  for (let n = 0; n < 20; n++) await connected(a, `u${n}`);
  // The next digests are lost, and those after them come after the end of this test.
  await service.pass(DIGEST_MS - 3000);
  // The others hear nothing of a, which hears all of them.
  service.isLost = (from) => from === a;
  await service.pass(EXPIRE_MS + 500);
  assert.ok(service.running.slice(1).every(({ seats }) => seats.gateways.length === 2));
  service.isLost = () => false;
  await service.pass(HERE_MS + 500);
  for (let n = 0; n < 20; n++) assert.deepEqual(ownerOf(`u${n}`)?.booked(`u${n}`), [a.id]);
});

// ——— generated sequences ———

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("connect" as const), gateway: fc.nat(5), user: fc.nat(3) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("disconnect" as const), device: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("die" as const), device: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(3000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("kill", "leave", "cut", "join", "uncut"),
      gateway: fc.nat(5),
    }),
  },
);

test("after any faults all gateways agree, and no user has more connections than the limit", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(REFUSE, REPLACE),
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.nat(),
      fc.constantFrom(0, 0.02, 0.3),
      async (limit, steps, seed, loss) => {
        await started(limit);
        let random = seed;
        service.delay = () => {
          random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
          return (random >>> 8) / 2 ** 24 < loss ? undefined : (random >>> 8) % 200;
        };
        const devices: Device[] = [];
        for (const one of steps) await act(one, devices);
        service.delay = () => 1;
        for (const gateway of service.running) gateway.setCut(false);
        await service.pass(SETTLED_MS);
        assertSettled(limit);
      },
    ),
    { numRuns: 60 },
  );
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function act(one: Step, devices: Device[]): Promise<void> {
  const { running } = service;
  switch (one.do) {
    case "pass":
      return service.pass(one.ms);
    case "join":
      if (running.length < 5) service.start();
      return;
    case "disconnect":
    case "die": {
      const device = devices[one.device % Math.max(1, devices.length)];
      if (device?.code !== undefined || device === undefined) return;
      if (one.do === "die") device.alive = false;
      else device.gateway.disconnect(device);
      return;
    }
    default: {
      const gateway = running[one.gateway % running.length] as SimulatedGateway;
      if (one.do === "connect")
        void gateway.connect(`u${one.user}`).then((outcome) => "user" in outcome && devices.push(outcome));
      else if (one.do === "cut" || one.do === "uncut") gateway.setCut(one.do === "cut");
      else if (running.length > 1) gateway[one.do]();
    }
  }
}

function assertSettled(limit: UserLimit): void {
  const ids = service.running.map(({ id }) => id).sort();
  for (const { seats } of service.running) {
    assert.equal(seats.shared, true);
    assert.deepEqual(seats.gateways, ids);
  }
  for (const user of ["u0", "u1", "u2", "u3"]) {
    const held = service.devicesOf(user).map(({ gateway }) => gateway.id);
    assert.ok(held.length <= limit.maxPerUser, `${user} has ${held.length} connections`);
    const booked = service.running.map((gateway) => gateway.booked(user)).filter(({ length }) => length > 0);
    assert.ok(booked.length <= 1, "one gateway counts a user");
    assert.deepEqual((booked[0] ?? []).toSorted(), held.sort());
  }
}

test("without faults the gateways decide like a single one", async () => {
  const actions = fc.array(
    fc.record({ connect: fc.boolean(), gateway: fc.nat(3), user: fc.nat(1), device: fc.nat(9) }),
    { minLength: 5, maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(REFUSE, REPLACE), actions, async (limit, steps) => {
      const gateways = await started(limit, 4);
      /** Connections of each user, oldest first, as one counter would have them. */
      const model = new Map<string, Device[]>([
        ["u0", []],
        ["u1", []],
      ]);
      for (const { connect, gateway, user, device } of steps) {
        const own = model.get(`u${user}`) as Device[];
        if (!connect) {
          const [leaving] = own.splice(device % Math.max(1, own.length), 1);
          leaving?.gateway.disconnect(leaving);
        } else {
          const outcome = await during((gateways[gateway] as SimulatedGateway).connect(`u${user}`));
          const full = own.length === limit.maxPerUser;
          assert.equal("reason" in outcome, full && limit.action === "refuse");
          if (full && limit.action === "replace") own.shift();
          if ("user" in outcome) own.push(outcome);
        }
        await service.pass(50);
        for (const [name, devices] of model)
          assert.deepEqual(new Set(service.devicesOf(name)), new Set(devices));
      }
    }),
    { numRuns: 40 },
  );
});
