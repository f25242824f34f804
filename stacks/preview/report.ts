import { type Cost, HOURS_A_MONTH } from "@odin-ws/infra";
import { whoIsNotified } from "../monitoring/alert-receivers.ts";
import type { Messages } from "../traffic/messages.ts";
import { trafficRows, trafficTable } from "../traffic/table.ts";
import type { Mix } from "../traffic/traffic.ts";
import type { Bill, CostLine } from "./costs.ts";
import type { Users } from "./demand.ts";
import type { StackRecording } from "./record-stack.ts";
import { publicInputs, shortType, treeLines, treeOf } from "./tree.ts";

/** Users, what each of them gets, and in which encoding. */
export interface CountedTraffic {
  users: Users;
  messages: Messages;
  mix: Mix;
}

/** The text that `npm run preview` prints, without the paths of its files. */
export function report(recording: StackRecording, bill: Bill, traffic: CountedTraffic | undefined): string {
  const { stack, resources, notes } = recording;
  const custom = resources.filter((resource) => resource.custom);
  const components = resources.filter(({ custom, type }) => !custom && type !== "pulumi:pulumi:Stack");
  return [
    `Stack ${stack}: ${custom.length} resources in ${components.length} components`,
    ...notes.map((note) => `  note: ${note}`),
    "",
    ...treeLines(treeOf(resources)),
    "",
    "Resources by type",
    ...counts(custom.map(({ type }) => shortType(type))),
    "",
    ...notified(recording),
    `A month in US dollars, list prices of us-central1            fewest VMs   most VMs   price of`,
    ...bill.lines.map(billLine),
    `${"".padEnd(60)}${money(bill.least)} ${money(bill.most)}   ${isComplete(bill) ? "together" : "together, without items that have no price"}`,
    ...bill.notes.map((note) => `  note: ${note}`),
    ...trafficLines(traffic),
  ].join("\n");
}

/** A table for the users of the fewest VMs, and one for those of the most VMs. */
function trafficLines(traffic: CountedTraffic | undefined): string[] {
  if (traffic === undefined) return [];
  const { messages, mix } = traffic;
  return countsOf(traffic).flatMap((users) => ["", ...trafficTable(messages, mix, users)]);
}

const countsOf = ({ users }: CountedTraffic): number[] => [...new Set([users.least, users.most])];

/** The table as JSON, for one number of users. Unknown values are null. */
function trafficJson({ messages, mix }: CountedTraffic, users: number) {
  return {
    users,
    messagesPerSecond: messages.perSecond,
    source: messages.source,
    rows: trafficRows(messages, mix, users).map(({ name, frame, withHeaders, traffic, thousand, saves }) => ({
      name,
      bytesPerMessage: frame ?? null,
      bytesWithHeaders: withHeaders ?? null,
      gib: traffic.gib === undefined ? null : Math.round(traffic.gib),
      usd: traffic.usd === undefined ? null : cents(traffic.usd),
      usdForThousandUsers: thousand === undefined ? null : cents(thousand),
      saves: saves === undefined ? null : cents(saves),
    })),
  };
}

/**
 * The content of `preview.json`: resources without secrets, the bill, the notes. The same program gives the
 * same bytes.
 */
export function reportJson(
  recording: StackRecording,
  bill: Bill,
  traffic: CountedTraffic | undefined,
): string {
  const { project, stack, resources, notes } = recording;
  const content = {
    project,
    stack,
    notes: [...notes, ...bill.notes],
    resources: resources.map((resource) => ({
      urn: resource.urn,
      type: resource.type,
      name: resource.name,
      parent: resource.parent,
      protect: resource.protect,
      dependencies: resource.dependencies.toSorted(),
      inputs: publicInputs(resource),
    })),
    costs: {
      currency: "USD",
      period: `month of ${HOURS_A_MONTH} hours`,
      least: cents(bill.least),
      most: cents(bill.most),
      lines: bill.lines.map(({ part, least, most }) => ({
        part,
        least: jsonCost(least),
        most: jsonCost(most),
      })),
    },
    traffic: traffic === undefined ? [] : countsOf(traffic).map((users) => trafficJson(traffic, users)),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Who is notified of what; nothing for a capacity test, which sends no alerts. */
function notified({ project, config }: StackRecording): string[] {
  const value = (key: string) => config[`${project}:${key}`] ?? "";
  if (value("kind") === "capacity-test") return [];
  return [
    "Who is notified of what",
    ...whoIsNotified((key) => value(key) !== "").map((line) => `  ${line}`),
    "",
  ];
}

function counts(types: string[]): string[] {
  const sorted = [...new Set(types)].sort();
  return sorted.map(
    (type) => `  ${String(types.filter((other) => other === type).length).padStart(3)} ${type}`,
  );
}

function billLine({ part, least, most }: CostLine): string {
  const items = least.item === most.item ? most.item : `${least.item} … ${most.item}`;
  const what = `${part}: ${items}`;
  const unsure = [...new Set(most.prices.filter(({ verified }) => !verified).map(({ sku }) => sku))];
  const remarks = [
    [...new Set(most.prices.map(({ checked }) => checked))].join(", "),
    ...(unsure.length > 0 ? [`not verified: ${unsure.join(", ")}`] : []),
    ...(most.note ? [most.note] : []),
  ];
  const wide = what.length > 59 ? `${what}\n${"".padEnd(60)}` : what.padEnd(60);
  return `${wide}${money(least.usd)} ${money(most.usd)}   ${remarks.filter(Boolean).join("; ")}`;
}

const money = (usd: number | undefined) => (usd === undefined ? "?" : usd.toFixed(2)).padStart(10);
const cents = (usd: number) => Math.round(usd * 100) / 100;
const isComplete = (bill: Bill) =>
  bill.lines.every(({ least, most }) => least.usd !== undefined && most.usd !== undefined);

function jsonCost({ item, usd, prices, note }: Cost) {
  return { item, usd: usd === undefined ? null : cents(usd), prices, ...(note ? { note } : {}) };
}
