import { type Cost, HOURS_A_MONTH, monthly, type Recorded } from "@odin-ws/infra";
import { fleetsOf, isSpot } from "./fleet.ts";
import { at, type Graph, listAt, numberAt, textAt } from "./graph.ts";
import { betweenRegions, regionOf, regionsOf } from "./regions.ts";

/** One line of the bill. */
export interface CostLine {
  /** Part of the deployment, for example `gateways`. */
  part: string;
  /** Cost with the fewest VMs. */
  least: Cost;
  /** Cost with the most VMs; equal to `least` where the number of VMs does not matter. */
  most: Cost;
}

/** A stack's bill for a month. */
export interface Bill {
  lines: CostLine[];
  /** Sums of all lines with a price, in US dollars. */
  least: number;
  most: number;
  /** Assumptions, items that are left out, and items without a price. */
  notes: string[];
}

const BOOT_DISK = { type: "pd-standard", gib: 10 }; // Compute Engine's defaults, for programs that set none
const CHECKERS = 6; // regions from which an uptime check runs by default
const SECONDS_A_MONTH = HOURS_A_MONTH * 3600;
/**
 * Loki writes a chunk an hour for each of some 100 streams (machine, program and level), and its index every
 * ten minutes.
 */
const ASSUMED = { bucketGib: 1, registryGib: 5, logWrites: 100_000 };

const ADDRESSES = ["gcp:compute/address:Address", "gcp:compute/globalAddress:GlobalAddress"];
const REGIONAL_RULE = "gcp:compute/forwardingRule:ForwardingRule";
const GLOBAL_RULE = "gcp:compute/globalForwardingRule:GlobalForwardingRule";
const NAT = "gcp:compute/routerNat:RouterNat";
const INSTANCE = "gcp:compute/instance:Instance";
const DISK = "gcp:compute/disk:Disk";
const SNAPSHOTS = "gcp:compute/diskResourcePolicyAttachment:DiskResourcePolicyAttachment";
const ARMOR = "gcp:compute/securityPolicy:SecurityPolicy";
const ARMOR_RULE = "gcp:compute/securityPolicyRule:SecurityPolicyRule";
const VERSION = "gcp:secretmanager/secretVersion:SecretVersion";
const ZONE = "gcp:dns/managedZone:ManagedZone";
const BUCKET = "gcp:storage/bucket:Bucket";
const REPOSITORY = "gcp:artifactregistry/repository:Repository";
const UPTIME = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig";
const ALERT = "gcp:monitoring/alertPolicy:AlertPolicy";

/** Beginnings of the names of types that cost nothing. Other types without a price are named in the notes. */
const FREE = [
  "gcp:artifactregistry/repositoryIam",
  "gcp:billing/",
  "gcp:certificatemanager/",
  "gcp:compute/backendService:",
  "gcp:compute/firewall:",
  "gcp:compute/healthCheck:",
  "gcp:compute/instanceTemplate:",
  "gcp:compute/network:",
  "gcp:compute/region",
  "gcp:compute/resourcePolicy:",
  "gcp:compute/sSLPolicy:",
  "gcp:compute/route",
  "gcp:compute/subnetwork",
  "gcp:compute/target",
  "gcp:compute/uRLMap:",
  "gcp:dns/recordSet:",
  "gcp:monitoring/metricDescriptor:",
  "gcp:monitoring/notificationChannel:",
  "gcp:projects/",
  "gcp:secretmanager/secret",
  "gcp:serviceaccount/",
  "gcp:storage/bucketIAM",
  "gcp:storage/bucketObject:",
];
const PRICED = [
  ...ADDRESSES,
  ...[REGIONAL_RULE, GLOBAL_RULE, NAT, INSTANCE, DISK, SNAPSHOTS, ARMOR, ARMOR_RULE],
  ...[VERSION, ZONE, BUCKET, REPOSITORY, UPTIME, ALERT],
];

/** What traffic to the clients costs, with the fewest and with the most VMs. The lists have one length. */
export interface TrafficCosts {
  least: Cost[];
  most: Cost[];
}

/**
 * The monthly bill of a stack.
 *
 * @param traffic undefined: left out, as a note says
 */
export function billOf(graph: Graph, traffic?: TrafficCosts): Bill {
  const lines = [
    ...machineLines(graph),
    ...networkLines(graph, traffic),
    ...betweenRegions(graph),
    ...otherLines(graph),
  ];
  const sum = (end: "least" | "most") => lines.reduce((total, line) => total + (line[end].usd ?? 0), 0);
  return { lines, least: sum("least"), most: sum("most"), notes: notes(graph, lines, traffic) };
}

const same = (part: string, cost: Cost): CostLine => ({ part, least: cost, most: cost });

function machineLines(graph: Graph): CostLine[] {
  const fleets = fleetsOf(graph).flatMap((fleet) => {
    const boot = listAt(fleet.template.inputs, "disks").find((disk) => at(disk, "boot") !== false);
    const type = textAt(boot, "diskType") || BOOT_DISK.type;
    const gib = numberAt(boot, "diskSizeGb", BOOT_DISK.gib);
    const vms = (count: number) => monthly.vms(fleet.machineType, count, fleet.spot);
    return [
      { part: fleet.group.name, least: vms(fleet.min), most: vms(fleet.max) },
      {
        part: `${fleet.group.name}, boot disks`,
        least: monthly.disks(type, gib, fleet.min),
        most: monthly.disks(type, gib, fleet.max),
      },
    ];
  });
  const single = graph
    .all(INSTANCE)
    .flatMap(({ name, inputs }) => [
      same(name, monthly.vms(textAt(inputs, "machineType"), 1, isSpot(inputs))),
      same(
        `${name}, boot disk`,
        monthly.disks(
          textAt(inputs, "bootDisk.initializeParams.type") || BOOT_DISK.type,
          numberAt(inputs, "bootDisk.initializeParams.size", BOOT_DISK.gib),
        ),
      ),
    ]);
  const disks = graph
    .all(DISK)
    .map(({ name, inputs }) =>
      same(name, monthly.disks(textAt(inputs, "type") || BOOT_DISK.type, numberAt(inputs, "size", 0))),
    );
  const kept = graph.all(SNAPSHOTS).flatMap((attachment) => graph.upstream(attachment, DISK));
  const gib = kept.reduce((total, { inputs }) => total + numberAt(inputs, "size", 0), 0);
  return [...fleets, ...single, ...disks, ...(gib > 0 ? [same("snapshots", monthly.snapshots(gib))] : [])];
}

/** Whether clients from the internet reach the stack. */
export const hasEntrance = (graph: Graph): boolean =>
  graph.all(GLOBAL_RULE).length > 0 ||
  graph.all(REGIONAL_RULE).some(({ inputs }) => at(inputs, "loadBalancingScheme") !== "INTERNAL");

function networkLines(graph: Graph, traffic: TrafficCosts | undefined): CostLine[] {
  const lines: CostLine[] = [];
  const regional = graph
    .all(REGIONAL_RULE)
    .filter(({ inputs }) => at(inputs, "loadBalancingScheme") !== "INTERNAL");
  if (regional.length > 0)
    lines.push(same("load balancer", monthly.forwardingRules(regional.length, "regional")));
  const global = graph.all(GLOBAL_RULE);
  if (global.length > 0) lines.push(same("TLS entrance", monthly.forwardingRules(global.length, "global")));
  for (const address of graph.all(...ADDRESSES)) {
    if (at(address.inputs, "addressType") !== "INTERNAL")
      lines.push(same(address.name, addressCost(graph, address)));
  }
  for (const nat of graph.all(NAT)) {
    const fixed = listAt(nat.inputs, "natIps").length; // fixed addresses have their own lines
    const addresses = fixed > 0 ? 0 : 1;
    const { min, max } = vmsWithoutAddress(graph, regionOf(nat));
    lines.push({ part: nat.name, least: monthly.nat(min, addresses), most: monthly.nat(max, addresses) });
  }
  const policies = graph.all(ARMOR);
  if (policies.length > 0) {
    const inline = policies.reduce((total, { inputs }) => total + listAt(inputs, "rules").length, 0);
    lines.push(same("Cloud Armor", monthly.armor(policies.length, inline + graph.all(ARMOR_RULE).length)));
  }
  if (traffic !== undefined && hasEntrance(graph)) {
    for (const [index, most] of traffic.most.entries())
      lines.push({ part: "traffic", least: traffic.least[index] ?? most, most });
  }
  return lines;
}

function addressCost(graph: Graph, address: Recorded): Cost {
  if (graph.downstream(address, REGIONAL_RULE, GLOBAL_RULE).length > 0)
    return monthly.address("forwarding rule");
  if (graph.downstream(address, NAT, INSTANCE).length > 0) return monthly.address("VM or NAT");
  return monthly.address("nothing");
}

/** VMs of a region that need its NAT. */
function vmsWithoutAddress(graph: Graph, region: string): { min: number; max: number } {
  const hasAddress = (networks: unknown[]) =>
    networks.some((network) => listAt(network, "accessConfigs").length > 0);
  const singles = graph
    .all(INSTANCE)
    .filter((vm) => regionOf(vm) === region)
    .filter(({ inputs }) => !hasAddress(listAt(inputs, "networkInterfaces"))).length;
  const fleets = fleetsOf(graph)
    .filter(({ group }) => regionOf(group) === region)
    .filter(({ template }) => !hasAddress(listAt(template.inputs, "networkInterfaces")));
  return {
    min: fleets.reduce((total, { min }) => total + min, singles),
    max: fleets.reduce((total, { max }) => total + max, singles),
  };
}

function otherLines(graph: Graph): CostLine[] {
  const count = (type: string) => graph.all(type).length;
  const runs = graph.all(UPTIME).reduce((total, { inputs }) => {
    const seconds = Number.parseInt(textAt(inputs, "period") || "300", 10);
    return (
      total + Math.round(SECONDS_A_MONTH / seconds) * (listAt(inputs, "selectedRegions").length || CHECKERS)
    );
  }, 0);
  const logs = graph.all(BUCKET).filter(({ inputs }) => textAt(inputs, "labels.role") === "logs").length;
  const rows: [number, string, () => Cost][] = [
    [count(VERSION), "secrets", () => monthly.secretVersions(count(VERSION))],
    [count(ZONE), "DNS", () => monthly.dnsZones(count(ZONE))],
    [count(BUCKET), "buckets", () => monthly.storage(ASSUMED.bucketGib * count(BUCKET))],
    [logs, "buckets, writes of logs", () => monthly.bucketWrites(ASSUMED.logWrites * logs)],
    [count(REPOSITORY), "registry", () => monthly.registry(ASSUMED.registryGib * count(REPOSITORY))],
    [runs, "uptime checks", () => monthly.uptimeChecks(runs)],
    [count(ALERT), "alerts", () => monthly.alerts(count(ALERT))],
  ];
  return rows.filter(([number]) => number > 0).map(([, part, cost]) => same(part, cost()));
}

function notes(graph: Graph, lines: CostLine[], traffic: TrafficCosts | undefined): string[] {
  const found: string[] = [];
  const regions = new Set(graph.resources.map(({ inputs }) => textAt(inputs, "region")).filter(Boolean));
  regions.delete("us-central1");
  if (regions.size > 0)
    found.push(
      `the prices are those of us-central1; ${[...regions].sort().join(", ")} may cost more or less`,
    );
  const has = (part: string) => lines.some((line) => line.part === part);
  if (has("snapshots"))
    found.push(
      "snapshots: assumed to be as large as their disks; they contain changes only, and are smaller",
    );
  if (has("buckets")) found.push(`buckets: assumed to hold ${ASSUMED.bucketGib} GiB each`);
  if (has("buckets, writes of logs"))
    found.push(
      `buckets: ${ASSUMED.logWrites.toLocaleString("en-US")} writes of logs a month are assumed, for about 100 streams of lines`,
    );
  if (has("registry"))
    found.push(`registry: assumed to hold ${ASSUMED.registryGib} GiB of images a repository`);
  if (graph.all(NAT).length > 0)
    found.push(
      `Cloud NAT: without its traffic, $${monthly.natTraffic(1).usd} per GiB: image pulls, and NATS outside of the stack`,
    );
  if (regionsOf(graph).length > 1)
    found.push(
      "traffic between regions: the stream at the highest rate that the gateways read (WS_MAX_NATS_RATE); logs and metrics are left out",
    );
  if (traffic === undefined && hasEntrance(graph))
    found.push(
      "traffic to the clients is left out, about $0.13 per GiB: --users N or --traffic-gib N adds it",
    );
  if (traffic !== undefined && !hasEntrance(graph))
    found.push("no load balancer, so no traffic to clients: --users and --traffic-gib add nothing");
  found.push("logs and metrics: within the free allotments (50 GiB of logs, 150 MiB of metrics a month)");
  const unknown = graph.resources.filter(
    ({ type }) =>
      type.startsWith("gcp:") && !PRICED.includes(type) && !FREE.some((start) => type.startsWith(start)),
  );
  for (const type of new Set(unknown.map((resource) => resource.type)))
    found.push(
      `no price: ${type} is neither in infra/offline/prices.ts nor known to be free; the sum lacks it`,
    );
  return found;
}
