import { INHIBITIONS, type Inhibition } from "../alerts/inhibitions.ts";
import { WATCHDOG } from "../alerts/monitoring.ts";
import type { Confidential, MonitoringOptions, Receivers } from "../options.ts";
import { yaml } from "./yaml.ts";

const NOBODY = "nobody"; // seen in Alertmanager and Grafana only
const ON_CALL = "on-call";
const IN_THE_MORNING = "in-the-morning";
const DEAD_MANS_SWITCH = "dead-mans-switch";

/** Alertmanager: who is told of what, and what is no news while something else fires. */
export function alertmanagerFiles({
  receivers,
  watchdogWebhookFile,
}: MonitoringOptions): Record<string, string> {
  const { pagerduty, ...silent } = receivers;
  const all = [
    receiver(ON_CALL, receivers),
    // A pager is for what cannot wait.
    receiver(IN_THE_MORNING, silent),
    ...(watchdogWebhookFile === undefined
      ? []
      : [{ name: DEAD_MANS_SWITCH, webhook_configs: [{ url_file: watchdogWebhookFile }] }]),
    { name: NOBODY },
  ];
  return {
    "alertmanager/alertmanager.yml": yaml({
      route: route(watchdogWebhookFile === undefined ? NOBODY : DEAD_MANS_SWITCH),
      inhibit_rules: INHIBITIONS.map(inhibitRule),
      receivers: all,
    }),
  };
}

/** One message for all gateways that have the same trouble; a second one when more join, and again while it lasts. */
function route(watchdog: string): object {
  return {
    receiver: NOBODY, // what is only written down
    group_by: ["alertname", "stack"],
    routes: [
      {
        matchers: [`alertname = ${WATCHDOG}`],
        receiver: watchdog,
        group_wait: "0s",
        group_interval: "1m",
        repeat_interval: "1m",
      },
      {
        matchers: ["severity = critical"],
        receiver: ON_CALL,
        group_wait: "10s",
        group_interval: "1m",
        repeat_interval: "1h",
      },
      {
        matchers: ["severity = warning"],
        receiver: IN_THE_MORNING,
        group_wait: "1m",
        group_interval: "5m",
        repeat_interval: "12h",
      },
    ],
  };
}

function inhibitRule({ source, targets, equal }: Inhibition): object {
  return {
    source_matchers: matchers([source.alertname], source.severity),
    target_matchers: matchers(targets.alertnames, targets.severity),
    equal,
  };
}

function matchers(alertnames: readonly string[], severity: string | undefined): string[] {
  const [only] = alertnames;
  const names = alertnames.length === 1 ? `alertname = ${only}` : `alertname =~ "${alertnames.join("|")}"`;
  return severity === undefined ? [names] : [names, `severity = ${severity}`];
}

/** Alertmanager's name for a secret, with `_file` where it is to read it from a file. */
function secret(name: string, confidential: Confidential): Record<string, string> {
  return "file" in confidential ? { [`${name}_file`]: confidential.file } : { [name]: confidential.value };
}

// Templates of Alertmanager.
const FIRST = "{{ (index $told 0).Annotations.summary }}{{ if gt (len $told) 1 }} ({{ len $told }}){{ end }}";
// What has ended is news only when nothing of the group fires any more.
const SUMMARY = `{{ $told := .Alerts.Firing }}{{ if eq .Status "resolved" }}{{ $told = .Alerts.Resolved }}{{ end }}${FIRST}`;
const TITLE = `[{{ .Status | toUpper }}] {{ .CommonLabels.stack }}: ${SUMMARY}`;
// A description has the value of when it was written: of what is over it would read as if it still were so.
const LINES = [
  "{{ range .Alerts.Firing }}{{ .Annotations.description }}\n{{ .Annotations.runbook_url }}\n{{ .Annotations.dashboard_url }}\n{{ end }}",
  "{{ range .Alerts.Resolved }}Resolved: {{ .Annotations.summary }}{{ with .Labels.instance }} ({{ . }}){{ end }}\n{{ end }}",
].join("");

/** A receiver that tells everyone who is named, also of the end. */
function receiver(name: string, { email, webhook, pagerduty, slack }: Receivers): object {
  const send_resolved = true;
  return {
    name,
    ...(webhook && { webhook_configs: [{ send_resolved, ...secret("url", webhook) }] }),
    ...(email && { email_configs: [{ send_resolved, ...mail(email) }] }),
    ...(pagerduty && {
      pagerduty_configs: [
        {
          send_resolved,
          ...secret("routing_key", pagerduty),
          severity: "{{ .CommonLabels.severity }}",
          description: TITLE,
          details: { alerts: LINES },
        },
      ],
    }),
    ...(slack && {
      slack_configs: [
        {
          send_resolved,
          ...secret("api_url", slack.url),
          ...(slack.channel !== undefined && { channel: slack.channel }),
          title: TITLE,
          text: LINES,
        },
      ],
    }),
  };
}

function mail({ to, from, smarthost, username, password }: NonNullable<Receivers["email"]>): object {
  return {
    to,
    from,
    smarthost,
    ...(username !== undefined && { auth_username: username }),
    ...(password && secret("auth_password", password)),
    headers: { Subject: TITLE },
  };
}
