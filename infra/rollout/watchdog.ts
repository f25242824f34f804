import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { PORTS } from "../ports.ts";
import { roleLabels, type Site } from "../site.ts";
import { type Alert, alerts, regionAlerts, type Watched } from "./watchdog-alerts.ts";

/** Arguments of {@link Watchdog}. */
export interface WatchdogArgs {
  site: Site;
  /** Public address of the load balancer for `ws://`. */
  address: pulumi.Input<string>;
  /** Host name of the entrance for `wss://`. Default: no such entrance. */
  domain?: string | undefined;
  /** URL of the gateways' instance group. */
  instanceGroup: pulumi.Input<string>;
  /** The regions beside the site's own: the address of the load balancer and the URL of the group. */
  furtherRegions?: WatchdogRegion[] | undefined;
  /** The monitoring VM: its name in the cloud, its zone, and the metric that it writes while it works. */
  monitoring: Watched["monitoring"];
  /** E-mail address that gets all alerts. Default: no mail. */
  email?: string | undefined;
  /** URL that incidents are posted to, with its token if it needs one; secret. Default: none. */
  webhook?: pulumi.Input<string> | undefined;
}

/** A region beside the site's own. */
export interface WatchdogRegion {
  /** For example `europe-west1`. */
  region: string;
  address: pulumi.Input<string>;
  /** URL of the region's instance group. */
  instanceGroup: pulumi.Input<string>;
}

/**
 * Alerts of Cloud Monitoring, which work from outside of our VMs: they report what the VMs cannot report
 * themselves. The monitoring VM raises all other alerts. These policies contain no limit and no target of the
 * autoscaler, so changing one of those does not change a policy.
 */
export class Watchdog extends pulumi.ComponentResource {
  /** Full names of all notification channels, `projects/P/notificationChannels/N`. */
  readonly channels: pulumi.Output<string>[];
  /** The channels in `channels` that send mail: budgets accept no other channels. */
  readonly mailChannels: pulumi.Output<string>[];

  constructor(name: string, args: WatchdogArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Watchdog", name, {}, opts);
    const { site, address, domain, monitoring } = args;
    const channels = notificationChannels(this, name, args);
    this.channels = channels.all;
    this.mailChannels = channels.byMail;
    const loadBalancer = uptimeCheck(
      this,
      `${name}-load-balancer`,
      site,
      `${site.prefix} load balancer`,
      address,
      { tcpCheck: { port: PORTS.clients } },
    );
    const wss =
      domain === undefined
        ? undefined
        : uptimeCheck(this, `${name}-wss`, site, `${site.prefix} ${domain}`, domain, {
            httpCheck: {
              path: "/ws",
              port: 443,
              useSsl: true,
              validateSsl: true,
              // A gateway answers 426 to a request without an upgrade.
              acceptedResponseStatusCodes: [{ statusValue: 426 }],
            },
          });
    const checks = { loadBalancer, wss };
    const all = alerts({ site, checks, group: nameOf(args.instanceGroup), monitoring });
    for (const { region, address, instanceGroup } of args.furtherRegions ?? []) {
      const check = uptimeCheck(
        this,
        `${name}-load-balancer-${region}`,
        site,
        `${site.prefix} load balancer in ${region}`,
        address,
        { tcpCheck: { port: PORTS.clients } },
      );
      Object.assign(all, regionAlerts({ site: { ...site, region }, check, group: nameOf(instanceGroup) }));
    }
    for (const [key, alert] of Object.entries(all)) {
      const recipients = alert.mailOnly ? this.mailChannels : this.channels;
      if (!alert.mailOnly || recipients.length > 0)
        alertPolicy(this, `${name}-${key}`, site, alert, recipients);
    }
    this.registerOutputs({ channels: this.channels, mailChannels: this.mailChannels });
  }
}

/** Name of an instance group, from its URL. */
const nameOf = (instanceGroup: pulumi.Input<string>) =>
  pulumi.output(instanceGroup).apply((url) => url.slice(url.lastIndexOf("/") + 1));

function notificationChannels(parent: Watchdog, name: string, { site, email, webhook }: WatchdogArgs) {
  const common = { project: site.project, userLabels: roleLabels(site, "watchdog") };
  const byMail =
    email === undefined
      ? []
      : [
          new gcp.monitoring.NotificationChannel(
            `${name}-email`,
            {
              ...common,
              type: "email",
              displayName: `${site.prefix} by mail`,
              labels: { email_address: email },
            },
            { parent },
          ).name,
        ];
  const byWebhook =
    webhook === undefined
      ? []
      : [
          new gcp.monitoring.NotificationChannel(
            `${name}-webhook`,
            {
              ...common,
              type: "webhook_tokenauth", // a webhook whose token is part of the URL
              displayName: `${site.prefix} by webhook`,
              labels: { url: pulumi.secret(webhook) },
            },
            { parent },
          ).name,
        ];
  return { byMail, all: [...byMail, ...byWebhook] };
}

/** Creates a check that connects from six regions of the world each minute, and returns its id. */
function uptimeCheck(
  parent: Watchdog,
  name: string,
  site: Site,
  displayName: string,
  host: pulumi.Input<string>,
  what: Pick<gcp.monitoring.UptimeCheckConfigArgs, "tcpCheck" | "httpCheck">,
): pulumi.Output<string> {
  return new gcp.monitoring.UptimeCheckConfig(
    name,
    {
      displayName,
      project: site.project,
      period: "60s",
      timeout: "10s",
      checkerType: "STATIC_IP_CHECKERS",
      monitoredResource: { type: "uptime_url", labels: { project_id: site.project, host } },
      userLabels: roleLabels(site, "watchdog"),
      ...what,
    },
    { parent },
  ).uptimeCheckId;
}

function alertPolicy(
  parent: Watchdog,
  name: string,
  site: Site,
  { severity, title, conditions, documentation }: Alert,
  channels: pulumi.Output<string>[],
): void {
  const reminder = { notificationChannelNames: channels, renotifyInterval: REMINDER };
  new gcp.monitoring.AlertPolicy(
    name,
    {
      project: site.project,
      displayName: `${site.prefix}: ${title}`,
      severity,
      combiner: "OR",
      conditions,
      documentation: {
        subject: `[${severity}] ${site.prefix}: ${title}`,
        content: documentation,
        mimeType: "text/markdown",
      },
      notificationChannels: channels,
      alertStrategy: {
        autoClose: AUTO_CLOSE,
        notificationChannelStrategies: severity === "CRITICAL" && channels.length > 0 ? [reminder] : [],
      },
      userLabels: roleLabels(site, "watchdog"),
    },
    { parent },
  );
}

const AUTO_CLOSE = "3600s"; // an incident without new data closes after 1 h
const REMINDER = "3600s"; // a critical incident that stays open is notified again each hour
