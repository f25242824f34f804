import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { PORTS } from "../ports.ts";
import type { Site } from "../site.ts";
import type { FirewallRule } from "./firewall-rules.ts";

/** Arguments of {@link Firewall}. */
export interface FirewallArgs {
  site: Site;
  /** Id of the network. */
  network: pulumi.Input<string>;
  /** All that may come in; everything else stays out. */
  rules: FirewallRule[];
}

/** Who may reach what. Roles are told apart by their service accounts: a tag can be put on a VM by whoever may edit it, an account cannot. */
export class Firewall extends pulumi.ComponentResource {
  /** @throws InputPropertiesError with every mistake in the rules */
  constructor(name: string, args: FirewallArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Firewall", name, {}, opts);
    const { site, network, rules } = args;
    const errors = firewallProblems(rules, site.prefix);
    if (errors.length > 0) throw new pulumi.InputPropertiesError({ message: `${name} rules`, errors });
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
          // No log: the rule for clients would write a line per connection and the one for probes several a second. What is refused,
          // which would be worth reading, matches no rule and so cannot be logged by one.
        },
        { parent: this },
      );
    }
    this.registerOutputs({});
  }
}

const MAX_ACCOUNTS = 10; // of each kind in one rule, a limit of Google's
const CIDR = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/;
const NAME = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** Every mistake in the rules, each with its path. @param prefix starts the names in the cloud */
export function firewallProblems(rules: FirewallRule[], prefix: string): pulumi.InputPropertyErrorDetails[] {
  const names = rules.map(({ name }) => name);
  return rules.flatMap((rule, index) => {
    const problems = [...problemsOfRule(rule, prefix)];
    if (names.indexOf(rule.name) !== index) problems.push(["name", `${rule.name} is taken by another rule`]);
    return problems.map(([field, reason]) => ({ propertyPath: `rules[${index}].${field}`, reason }));
  });
}

function* problemsOfRule(rule: FirewallRule, prefix: string): Generator<[field: string, reason: string]> {
  const { name, why, ports, fromRanges, fromAccounts, to } = rule;
  const cloudName = `${prefix}-${name}`;
  if (!NAME.test(cloudName) || cloudName.length > 63) {
    yield ["name", `${cloudName} is not a name in the cloud: a-z, 0-9 and -, at most 63 characters`];
  }
  if (!/\S+ \S+/.test(why)) {
    yield ["why", "says nothing: give the reason in words, it becomes the description"];
  }
  if (ports.length === 0) yield ["ports", "is empty, which would open all of them"];
  for (const port of ports) {
    if (!Number.isInteger(port) || port < 1 || port > 65535) yield ["ports", `${port} is not a port`];
  }
  if ((fromRanges === undefined) === (fromAccounts === undefined)) {
    yield [
      "fromRanges",
      "exactly one of fromRanges and fromAccounts must be set: both together would mean either",
    ];
  }
  for (const range of fromRanges ?? []) {
    if (!CIDR.test(range)) yield ["fromRanges", `${range} is not a range, for example 10.10.0.0/20`];
    if (range.endsWith("/0") && ports.some((port) => port !== PORTS.clients)) {
      yield ["fromRanges", `${range} may reach only ${PORTS.clients}, the port of clients`];
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
      yield [field, `has ${accounts.length} accounts, Google takes ${MAX_ACCOUNTS}: split the rule`];
    }
    for (const account of accounts) {
      // Only plain values can be looked at here; an account that is made by the same program is right by construction.
      if (typeof account === "string" && !/^[^@\s:]+@[^@\s]+$/.test(account)) {
        yield [field, `${account} is not the e-mail of a service account`];
      }
    }
  }
}
