import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type Mistake, refuse } from "../argument-mistakes.ts";
import { PORTS } from "../ports.ts";
import type { Site } from "../site.ts";
import type { FirewallRule } from "./firewall-rules.ts";

/** Arguments of {@link Firewall}. */
export interface FirewallArgs {
  site: Site;
  /** Id of the network. */
  network: pulumi.Input<string>;
  /** What may come in. The network refuses everything else. */
  rules: FirewallRule[];
}

/**
 * Which VMs may be reached from where. The rules know VMs by their service accounts and not by tags, because
 * everyone who may edit a VM can give it a tag, and an account needs a permission of its own.
 */
export class Firewall extends pulumi.ComponentResource {
  /** @throws InputPropertiesError with every mistake in the rules */
  constructor(name: string, args: FirewallArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Firewall", name, {}, opts);
    const { site, network, rules } = args;
    refuse(`firewall "${name}"`, firewallMistakes(rules, site.prefix));
    for (const rule of rules) {
      new gcp.compute.Firewall(
        `${name}-${rule.name}`,
        {
          name: `${site.prefix}-${rule.name}`,
          project: site.project,
          network,
          description: rule.why,
          direction: "INGRESS",
          allows: [{ protocol: "tcp", ports: rule.ports.map(String) }],
          ...(rule.fromRanges ? { sourceRanges: rule.fromRanges } : {}),
          ...(rule.fromAccounts ? { sourceServiceAccounts: rule.fromAccounts } : {}),
          targetServiceAccounts: rule.to,
          // No log: the rule for clients would write a line for each connection, and the rule for probes
          // several lines a second. Refused packets would be worth a log, but they match no rule, and only a
          // rule can log.
        },
        { parent: this },
      );
    }
    this.registerOutputs({});
  }
}

const MAX_ACCOUNTS = 10; // Google's limit for the sources and for the targets of one rule
const CIDR = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/;
const NAME = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** Every mistake in the rules. @param prefix starts the names in the cloud */
export function firewallMistakes(rules: FirewallRule[], prefix: string): Mistake[] {
  const names = rules.map(({ name }) => name);
  return rules.flatMap((rule, index) => {
    const mistakes = [...ruleMistakes(rule, prefix)];
    if (names.indexOf(rule.name) !== index)
      mistakes.push(["name", `is ${rule.name}, which is the name of another rule`]);
    return mistakes.map(([field, reason]) => ({ propertyPath: `rules[${index}].${field}`, reason }));
  });
}

function* ruleMistakes(rule: FirewallRule, prefix: string): Generator<[field: string, reason: string]> {
  const { name, why, ports, fromRanges, fromAccounts, to } = rule;
  const cloudName = `${prefix}-${name}`;
  if (!NAME.test(cloudName) || cloudName.length > 63) {
    yield [
      "name",
      `makes the name ${cloudName} in the cloud: allowed are a-z, 0-9 and -, at most 63 characters`,
    ];
  }
  if (!/\S+ \S+/.test(why)) {
    yield ["why", "gives no reason: it must be a sentence, which becomes the rule's description"];
  }
  if (ports.length === 0) yield ["ports", "is empty, which would open all ports"];
  for (const port of ports) {
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      yield ["ports", `has ${port}: a port must be a whole number from 1 to 65535`];
  }
  if ((fromRanges === undefined) === (fromAccounts === undefined)) {
    yield [
      "fromRanges",
      "or fromAccounts must be set, and not both: with both, a match of either would be enough",
    ];
  }
  for (const range of fromRanges ?? []) {
    if (!CIDR.test(range)) yield ["fromRanges", `has ${range}: it must be a range, for example 10.10.0.0/20`];
    if (range.endsWith("/0") && ports.some((port) => port !== PORTS.clients)) {
      yield ["fromRanges", `has ${range}: everyone may reach only ${PORTS.clients}, the port of clients`];
    }
  }
  if (fromRanges?.length === 0) yield ["fromRanges", "is empty"];
  for (const [field, accounts] of [
    ["fromAccounts", fromAccounts],
    ["to", to],
  ] as const) {
    if (accounts === undefined) continue;
    if (accounts.length === 0) yield [field, "is empty"];
    if (accounts.length > MAX_ACCOUNTS) {
      yield [field, `has ${accounts.length} accounts: Google allows ${MAX_ACCOUNTS}, so split the rule`];
    }
    for (const account of accounts) {
      // Only plain values are known here. An account that the same program creates is an output, and always
      // right.
      if (typeof account === "string" && !/^[^@\s:]+@[^@\s]+$/.test(account)) {
        yield [field, `has ${account}: it must be the e-mail of a service account`];
      }
    }
  }
}
