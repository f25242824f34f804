import { Secret, type Site } from "@odin-ws/infra";
import type { Receivers } from "@odin-ws/monitoring";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../config/config.ts";

/** Keys whose value only Alertmanager reads, on the monitoring VM. */
const ALERT_KEYS = ["alertWebhook", "alertPagerduty", "alertSlack"] as const;

type AlertKey = (typeof ALERT_KEYS)[number];
type AlertConfig = Pick<StackConfig, AlertKey>;

/**
 * Names of the receivers: the secret is `alert-NAME`, and the start-up script writes the secret to a file
 * `alertmanager-NAME`.
 */
const NAMES: Record<AlertKey, string> = {
  alertWebhook: "webhook",
  alertPagerduty: "pagerduty",
  alertSlack: "slack",
};

const file = (key: AlertKey) => ({ file: `/run/odin/secrets/alertmanager-${NAMES[key]}` });

/**
 * Receivers of Alertmanager, with the files that hold their addresses. Google Cloud sends mail, because our
 * VMs cannot.
 */
export function alertReceivers({ alertWebhook, alertPagerduty, alertSlack }: AlertConfig): Receivers {
  return {
    ...(alertWebhook === undefined ? {} : { webhook: file("alertWebhook") }),
    ...(alertPagerduty === undefined ? {} : { pagerduty: file("alertPagerduty") }),
    ...(alertSlack === undefined ? {} : { slack: file("alertSlack") }),
  };
}

/**
 * Creates the secrets with the receivers' addresses.
 *
 * @param monitoring IAM member of the monitoring VM
 * @returns versions of the secrets by the names under which the VM expects its secrets
 */
export function alertSecrets(
  config: AlertConfig & { site: Site },
  monitoring: pulumi.Input<string>,
  opts: pulumi.ComponentResourceOptions,
): Record<string, pulumi.Output<string>> {
  const { site } = config;
  return Object.fromEntries(
    ALERT_KEYS.flatMap((key) => {
      const value = config[key];
      if (value === undefined) return [];
      const args = { site, value: pulumi.secret(value), accessors: { monitoring } };
      return [
        [`file-alertmanager-${NAMES[key]}`, new Secret(`alert-${NAMES[key]}`, args, opts).version] as const,
      ];
    }),
  );
}

/** Keys of all receivers, in the order of the README. */
const RECEIVER_KEYS = ["alertPagerduty", "alertSlack", "alertWebhook", "alertEmail"] as const;

type ReceiverKey = (typeof RECEIVER_KEYS)[number];

/** Kinds of events, and the keys of the receivers that are notified of them. */
const EVENTS: { what: string; by: readonly ReceiverKey[] }[] = [
  { what: "critical alerts", by: RECEIVER_KEYS },
  { what: "warnings", by: ["alertSlack", "alertWebhook", "alertEmail"] },
  { what: "monitoring that is down, and entrances that do not answer", by: ["alertWebhook", "alertEmail"] },
];

const RECEIVER_NAMES: Record<ReceiverKey, string> = {
  alertPagerduty: "PagerDuty",
  alertSlack: "Slack",
  alertWebhook: "webhook",
  alertEmail: "mail",
};

/**
 * Who is notified of what, one line for each kind of event: `warnings: Slack, mail` or `warnings: nobody`.
 *
 * @param isSet whether a key has a value
 */
export function whoIsNotified(isSet: (key: ReceiverKey) => boolean): string[] {
  return EVENTS.map(({ what, by }) => {
    const names = by.filter(isSet).map((key) => RECEIVER_NAMES[key]);
    return `${what}: ${names.length === 0 ? "nobody" : names.join(", ")}`;
  });
}

/**
 * Failures of a stack that would reach nobody, one sentence each with the command that changes it.
 *
 * @param config `stack` is the stack's name, for the command
 */
export function alertGaps(config: AlertConfig & Pick<StackConfig, "alertEmail" | "stack">): string[] {
  const { stack } = config;
  const unheard = EVENTS.filter(({ by }) => by.every((key) => config[key] === undefined));
  const mail = `pulumi config set alertEmail ops@example.com --stack ${stack}`;
  if (unheard.length === EVENTS.length)
    return [`alerts of ${stack} reach nobody: ${mail}, or set one of ${ALERT_KEYS.join(", ")} with --secret`];
  return unheard.map(({ what }) => `nobody is notified of ${what} in stack ${stack}: ${mail}`);
}
