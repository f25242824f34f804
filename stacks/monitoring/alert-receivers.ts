import { Secret, type Site } from "@odin-ws/infra";
import type { Receivers } from "@odin-ws/monitoring";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../config/config.ts";

/** Keys whose value only Alertmanager reads, on the monitoring VM. */
const ALERT_KEYS = ["alertWebhook", "alertPagerduty", "alertSlack"] as const;

type AlertKey = (typeof ALERT_KEYS)[number];
type AlertConfig = Pick<StackConfig, AlertKey>;

/** What they are called: the secret is `alert-NAME`, and the start-up script writes it to a file `alertmanager-NAME`. */
const NAMES: Record<AlertKey, string> = {
  alertWebhook: "webhook",
  alertPagerduty: "pagerduty",
  alertSlack: "slack",
};

const file = (key: AlertKey) => ({ file: `/run/odin/secrets/alertmanager-${NAMES[key]}` });

/** Whom Alertmanager tells, by the files with their addresses. Mail is Google Cloud's to send: no machine of ours can. */
export function alertReceivers({ alertWebhook, alertPagerduty, alertSlack }: AlertConfig): Receivers {
  return {
    ...(alertWebhook === undefined ? {} : { webhook: file("alertWebhook") }),
    ...(alertPagerduty === undefined ? {} : { pagerduty: file("alertPagerduty") }),
    ...(alertSlack === undefined ? {} : { slack: { url: file("alertSlack") } }),
  };
}

/**
 * The secrets with their addresses.
 *
 * @param monitoring IAM member of the monitoring VM
 * @returns versions by the file they go to, as the VM takes its secrets
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

/** What is wrong with whom a stack tells of its alerts, a line each. @param stack its name, for the commands */
export function unheard(config: AlertConfig & Pick<StackConfig, "alertEmail" | "stack">): string[] {
  const { stack, alertEmail, alertWebhook } = config;
  if (alertEmail !== undefined || alertWebhook !== undefined) return [];
  const mail = `pulumi config set alertEmail ops@example.com --stack ${stack}`;
  return ALERT_KEYS.every((key) => config[key] === undefined)
    ? [`nobody is told when ${stack} is down: ${mail}, or --secret ${ALERT_KEYS.join(", ")}`]
    : [`nobody is told when monitoring of ${stack} is down, which then tells nobody else: ${mail}`];
}
