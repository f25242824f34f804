/** A list price in US dollars. */
export interface Price {
  /** Name of the item that is billed. */
  sku: string;
  /** Unit that the price is for, for example `hour` or `GiB-month`. */
  unit: string;
  usd: number;
  /** Day on which the source showed this price (ISO), or `undated`. */
  checked: string;
  source: string;
  /** False: seen in an old, undated or second-hand source only. */
  verified: boolean;
}

/** What something costs in a month. */
export interface Cost {
  /** For example `2 × e2-standard-2`. */
  item: string;
  /** US dollars a month; undefined when the table has no price. `note` then says which price is missing. */
  usd: number | undefined;
  prices: Price[];
  note?: string;
}

/** Hours of a month in Google's price list. */
export const HOURS_A_MONTH = 730;

const GCE = "cloud.google.com/compute/vm-instance-pricing";
const DISKS = "cloud.google.com/compute/disks-image-pricing";
const NETWORK = "cloud.google.com/vpc/network-pricing";
const STACKDRIVER = "cloud.google.com/stackdriver/pricing";

function price(
  sku: string,
  unit: string,
  usd: number,
  checked: string,
  source: string,
  verified = true,
): Price {
  return { sku, unit, usd, checked, source, verified };
}

/**
 * List prices of us-central1, on demand, without discounts, taxes and free trials. All costs are computed
 * from this table.
 */
export const PRICES = {
  "e2-small": price("VM e2-small", "hour", 0.016752855, "2026-09-12", GCE),
  "e2-standard-2": price("VM e2-standard-2", "hour", 0.06701142, "2026-09-12", GCE),
  "e2-standard-4": price("VM e2-standard-4", "hour", 0.13402284, "2026-09-27", GCE),
  "pd-balanced": price("balanced disk", "GiB-month", 0.1, "undated", "several price catalogues", false),
  "pd-standard": price("standard disk", "GiB-month", 0.04, "undated", DISKS, false),
  "pd-ssd": price("SSD disk", "GiB-month", 0.17, "undated", DISKS, false),
  snapshot: price(
    "snapshot, regional",
    "GiB-month",
    0.05,
    "2023-04-01",
    "cloud.google.com/compute/pricing-announce",
    false,
  ),
  forwardingRules: price("first five forwarding rules", "hour", 0.025, "2026-10-01", NETWORK),
  forwardingRule: price("forwarding rule after the fifth", "hour", 0.01, "2026-10-01", NETWORK),
  balancedTraffic: price("load balancer traffic, each way", "GiB", 0.008, "2026-10-01", NETWORK),
  natVm: price("Cloud NAT, VM behind it", "hour", 0.0014, "2026-10-16", "cloud.google.com/nat/pricing"),
  natTraffic: price(
    "Cloud NAT traffic, each way",
    "GiB",
    0.045,
    "2026-10-16",
    "cloud.google.com/nat/pricing",
  ),
  address: price("external address in use", "hour", 0.005, "2026-10-16", NETWORK),
  balancedAddress: price("external address of a forwarding rule", "hour", 0, "2026-09-28", NETWORK),
  idleAddress: price("external address that nothing uses", "hour", 0.01, "2021-03-01", NETWORK, false),
  egress1: price("traffic to the internet, first TiB", "GiB", 0.12, "2026-09-20", NETWORK),
  egress10: price(
    "traffic to the internet, to 10 TiB",
    "GiB",
    0.11,
    "2026-03-09",
    "dev.to, copy of Google's table",
    false,
  ),
  egressMore: price(
    "traffic to the internet, above",
    "GiB",
    0.08,
    "2026-03-09",
    "dev.to, copy of Google's table",
    false,
  ),
  nearRegion: price(
    "traffic between regions of one continent",
    "GiB",
    0.02,
    "undated",
    "copies of the table at cloud.google.com/vpc/pricing",
    false,
  ),
  farRegion: price(
    "traffic between regions of two continents, the price with Asia",
    "GiB",
    0.08,
    "undated",
    "copies of the table at cloud.google.com/vpc/pricing",
    false,
  ),
  armorPolicy: price(
    "Cloud Armor policy",
    "month",
    5,
    "2026-09-28",
    "Cloud Billing catalog, SKU 4B13-E64F-4A2B",
  ),
  armorRule: price("Cloud Armor rule", "month", 1, "2026-09-28", "Cloud Billing catalog, SKU A321-89BD-F5BC"),
  secretVersion: price(
    "secret version",
    "hour",
    0.000082192,
    "2026-08-29",
    "cloud.google.com/secret-manager/pricing",
  ),
  dnsZone: price("DNS zone", "hour", 0.000273973, "2026-09-20", "cloud.google.com/dns/pricing"),
  bucket: price(
    "Cloud Storage, standard",
    "GiB-hour",
    0.000027397,
    "2026-09-20",
    "cloud.google.com/storage/pricing",
  ),
  bucketWrite: price(
    "Cloud Storage, writes and lists",
    "1,000 operations",
    0.005,
    "undated",
    "cloud.google.com/storage/pricing",
    false,
  ),
  registry: price(
    "Artifact Registry",
    "GiB-hour",
    0.000136986,
    "2026-08-29",
    "cloud.google.com/artifact-registry/pricing",
  ),
  uptimeCheck: price(
    "uptime check after the first million runs",
    "1,000 runs",
    0.3,
    "2026-08-29",
    STACKDRIVER,
  ),
  alert: price("alert policy, free until 2027-09-01", "month", 0, "2026-09-28", STACKDRIVER),
} satisfies Record<string, Price>;

const FREE_UPTIME_RUNS = 1_000_000; // a month and project
const NAT_VMS = 32; // most VMs for which the NAT has a price for each VM
const TIB = 1024; // GiB

/** `2 × what`, or `what` for one. */
const times = (count: number, what: string) => (count === 1 ? what : `${count} × ${what}`);

function cost(item: string, parts: [Price, number][], note?: string): Cost {
  const usd = parts.reduce((sum, [{ usd }, amount]) => sum + usd * amount, 0);
  return { item, usd, prices: parts.map(([used]) => used), ...(note ? { note } : {}) };
}

function noPrice(item: string, note: string): Cost {
  return { item, usd: undefined, prices: [], note: `no price: ${note}` };
}

const tabled = (name: string): Price | undefined => (PRICES as Record<string, Price>)[name];

/** Prices of a GiB to clients, to the internet and through the load balancer, by the volume of the month. */
export function egressSteps(): { fromGib: number; usd: number }[] {
  const steps: [Price, number][] = [
    [PRICES.egress1, 0],
    [PRICES.egress10, TIB],
    [PRICES.egressMore, 10 * TIB],
  ];
  return steps.map(([{ usd }, fromGib]) => ({
    fromGib,
    usd: Number((usd + PRICES.balancedTraffic.usd).toFixed(6)),
  }));
}

/** What things cost in a month of 730 hours. Without a price in the table `usd` is undefined, and never 0. */
export const monthly = {
  /**
   * VMs without their disks.
   *
   * @param spot spot VMs have the price of other VMs, because spot prices change daily; the note says so
   */
  vms(machineType: string, count: number, spot = false): Cost {
    const row =
      /^[a-z]\w*-/.test(machineType) && !machineType.startsWith("pd-") ? tabled(machineType) : undefined;
    if (!row)
      return noPrice(
        times(count, machineType),
        `machine type ${machineType} is not in infra/offline/prices.ts`,
      );
    const note = spot
      ? "spot VM at the price on demand: the spot price is lower, and changes daily"
      : undefined;
    return cost(times(count, machineType), [[row, HOURS_A_MONTH * count]], note);
  },
  /** @param type for example `pd-balanced` @param gib size of each */
  disks(type: string, gib: number, count = 1): Cost {
    const row = type.startsWith("pd-") ? tabled(type) : undefined;
    const item = times(count, `${gib} GiB ${type}`);
    if (!row) return noPrice(item, `disk type ${type} is not in infra/offline/prices.ts`);
    return cost(item, [[row, gib * count]]);
  },
  /** @param gib size of all snapshots together */
  snapshots: (gib: number) => cost(`${gib} GiB of snapshots`, [[PRICES.snapshot, gib]]),
  /**
   * @param count forwarding rules of one kind, regional or global: the first five of each kind have one price
   * together
   */
  forwardingRules(count: number, kind: "regional" | "global"): Cost {
    const more: [Price, number][] = count > 5 ? [[PRICES.forwardingRule, HOURS_A_MONTH * (count - 5)]] : [];
    const first: [Price, number][] = count > 0 ? [[PRICES.forwardingRules, HOURS_A_MONTH]] : [];
    return cost(times(count, `${kind} forwarding rule`), [...first, ...more]);
  },
  /**
   * A NAT gateway without its traffic.
   *
   * @param vms VMs behind the NAT
   * @param addresses external addresses of the NAT
   */
  nat(vms: number, addresses: number): Cost {
    const item = `Cloud NAT for ${vms} VMs${addresses > 0 ? ` and ${addresses} address` : ""}`;
    if (vms > NAT_VMS)
      return noPrice(item, `Cloud NAT for more than ${NAT_VMS} VMs is not in infra/offline/prices.ts`);
    return cost(item, [
      [PRICES.natVm, HOURS_A_MONTH * vms],
      [PRICES.address, HOURS_A_MONTH * addresses],
    ]);
  },
  /** @param gib a month, both ways together */
  natTraffic: (gib: number) => cost(`${gib} GiB through Cloud NAT`, [[PRICES.natTraffic, gib]]),
  /** An external address. @param usedBy kind of resource that uses the address */
  address(usedBy: "forwarding rule" | "VM or NAT" | "nothing"): Cost {
    const rows = {
      "forwarding rule": PRICES.balancedAddress,
      "VM or NAT": PRICES.address,
      nothing: PRICES.idleAddress,
    };
    return cost(`external address, used by ${usedBy}`, [[rows[usedBy], HOURS_A_MONTH]]);
  },
  armor: (policies: number, rules: number) =>
    cost(
      `${times(policies, "policy")} with ${times(rules, "rule")}`,
      [
        [PRICES.armorPolicy, policies],
        [PRICES.armorRule, rules],
      ],
      "and $0.75 per million requests",
    ),
  secretVersions: (count: number) =>
    cost(
      times(count, "secret version"),
      [[PRICES.secretVersion, HOURS_A_MONTH * count]],
      "six are free in a billing account",
    ),
  dnsZones: (count: number) => cost(times(count, "DNS zone"), [[PRICES.dnsZone, HOURS_A_MONTH * count]]),
  storage: (gib: number) => cost(`${gib} GiB in buckets`, [[PRICES.bucket, HOURS_A_MONTH * gib]]),
  /** @param operations writes and lists of objects in a month */
  bucketWrites: (operations: number) =>
    cost(`${operations.toLocaleString("en-US")} writes to buckets`, [
      [PRICES.bucketWrite, operations / 1000],
    ]),
  registry: (gib: number) => cost(`${gib} GiB of images`, [[PRICES.registry, HOURS_A_MONTH * gib]]),
  /** @param runs number of runs of all uptime checks in a month; a million are free */
  uptimeChecks(runs: number): Cost {
    const charged = Math.max(0, runs - FREE_UPTIME_RUNS);
    const item = `${runs.toLocaleString("en-US")} runs of uptime checks`;
    return cost(item, [[PRICES.uptimeCheck, charged / 1000]], "a million are free");
  },
  alerts: (policies: number) => cost(times(policies, "alert policy"), [[PRICES.alert, policies]]),
  /** Traffic between VMs of two regions. @param gib a month; only the sending side is billed */
  betweenRegions: (gib: number, within: "one continent" | "two continents") =>
    cost(`${gib} GiB between regions of ${within}`, [
      [within === "one continent" ? PRICES.nearRegion : PRICES.farRegion, gib],
    ]),
  /** Traffic to clients. @param gib a month, to the internet through a load balancer */
  egress(gib: number): Cost[] {
    const steps: [Price, number][] = [
      [PRICES.egress1, Math.min(gib, TIB)],
      [PRICES.egress10, Math.min(Math.max(gib - TIB, 0), 9 * TIB)],
      [PRICES.egressMore, Math.max(gib - 10 * TIB, 0)],
    ];
    return [
      cost(
        `${gib} GiB to the internet`,
        steps.filter(([, amount]) => amount > 0),
      ),
      cost(`${gib} GiB through the load balancer`, [[PRICES.balancedTraffic, gib]]),
    ];
  },
};
