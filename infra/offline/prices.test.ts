import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Cost, monthly, PRICES } from "./prices.ts";

const dollars = ({ usd }: Cost) => (usd === undefined ? undefined : Math.round(usd * 100) / 100);

test("every price has an item, a date and a source", () => {
  for (const [key, { sku, unit, usd, checked, source, verified }] of Object.entries(PRICES)) {
    assert.ok(sku !== "" && unit !== "" && source !== "", key);
    assert.ok(usd >= 0 && usd < 100, key);
    assert.match(checked, /^(20\d\d-\d\d-\d\d|undated)$/, key);
    // A price without a date, or with a date of years ago, is not verified.
    assert.ok(!verified || checked >= "2026-", key);
    if (checked === "undated") assert.equal(verified, false, key);
  }
});

describe("months as the price lists give them", () => {
  test("VMs: $48.92, $12.23 and $97.84", () => {
    assert.equal(dollars(monthly.vms("e2-standard-2", 1)), 48.92);
    assert.equal(dollars(monthly.vms("e2-small", 1)), 12.23);
    assert.equal(dollars(monthly.vms("e2-standard-4", 1)), 97.84);
    assert.equal(dollars(monthly.vms("e2-standard-2", 5)), 244.59);
    assert.equal(dollars(monthly.vms("e2-standard-2", 0)), 0);
  });

  test("a GiB between regions costs more to another continent", () => {
    assert.equal(dollars(monthly.betweenRegions(100, "one continent")), 2);
    assert.equal(dollars(monthly.betweenRegions(100, "two continents")), 8);
  });

  test("a machine or disk type without a price is never free", () => {
    for (const name of ["n2-standard-2", "pd-balanced", "snapshot", "toString"])
      assert.equal(monthly.vms(name, 2).usd, undefined, name);
    assert.match(
      monthly.vms("n2-standard-2", 2).note ?? "",
      /n2-standard-2 is not in infra\/offline\/prices\.ts/,
    );
    for (const name of ["hyperdisk-balanced", "e2-small", "pd-extreme"])
      assert.equal(monthly.disks(name, 10).usd, undefined, name);
  });

  test("spot VMs have the price of other VMs, and a note says so", () => {
    assert.equal(dollars(monthly.vms("e2-standard-2", 1, true)), 48.92);
    assert.match(monthly.vms("e2-standard-2", 1, true).note ?? "", /on demand/);
    assert.equal(monthly.vms("e2-standard-2", 1).note, undefined);
  });

  test("the first five forwarding rules have one price together", () => {
    assert.deepEqual(
      [0, 1, 5, 6, 8].map((count) => dollars(monthly.forwardingRules(count, "regional"))),
      [0, 18.25, 18.25, 25.55, 40.15],
    );
  });

  test("NAT by VM and address, up to 32 VMs", () => {
    assert.equal(dollars(monthly.nat(6, 1)), 9.78); // 6 × 0.0014 × 730 + 0.005 × 730
    assert.equal(dollars(monthly.nat(32, 0)), 32.7);
    assert.equal(monthly.nat(33, 1).usd, undefined);
  });

  test("addresses by what uses them", () => {
    assert.deepEqual(
      (["forwarding rule", "VM or NAT", "nothing"] as const).map((use) => dollars(monthly.address(use))),
      [0, 3.65, 7.3],
    );
  });

  test("traffic: a TiB, nine more, and the rest", () => {
    const [internet = { usd: 0 }, balanced = { usd: 0 }] = monthly.egress(11 * 1024);
    assert.equal(internet.usd, 1024 * 0.12 + 9 * 1024 * 0.11 + 1024 * 0.08);
    assert.equal(balanced.usd, 11 * 1024 * 0.008);
    const [small] = monthly.egress(100);
    assert.deepEqual([small?.usd, small?.prices.length], [12, 1]);
  });

  test("a million runs of uptime checks are free", () => {
    assert.equal(dollars(monthly.uptimeChecks(1_000_000)), 0);
    assert.equal(dollars(monthly.uptimeChecks(1_500_000)), 150);
  });

  test("small items", () => {
    assert.equal(dollars(monthly.disks("pd-balanced", 20, 2)), 4);
    assert.equal(dollars(monthly.snapshots(60)), 3);
    assert.equal(dollars(monthly.armor(1, 2)), 7);
    assert.equal(dollars(monthly.secretVersions(10)), 0.6);
    assert.equal(dollars(monthly.dnsZones(1)), 0.2);
    assert.equal(dollars(monthly.storage(50)), 1);
    assert.equal(dollars(monthly.registry(10)), 1);
    assert.equal(dollars(monthly.alerts(4)), 0);
  });
});
