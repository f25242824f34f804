import { INHIBITIONS, type Inhibition } from "../alerts/inhibitions.ts";
import type { Confidential, MonitoringOptions, Receivers } from "../options.ts";
import { yaml } from "./yaml.ts";

const NOBODY = "nobody"; // the alert is visible in Alertmanager and Grafana only
const ON_CALL = "on-call";
const IN_THE_MORNING = "in-the-morning";

/**
 * Configuration of Alertmanager: who receives which alerts, and which alerts are inhibited while another
 * alert fires.
 */
export function alertmanagerFiles({ receivers }: MonitoringOptions): Record<string, string> {
  const { pagerduty, ...withoutPager } = receivers;
  const all = [
    receiver(ON_CALL, receivers),
    // Warnings can wait until the morning, so PagerDuty does not get them.
    receiver(IN_THE_MORNING, withoutPager),
    { name: NOBODY },
  ];
  return {
    "alertmanager/alertmanager.yml": yaml({
      route: ROUTE,
      inhibit_rules: INHIBITIONS.map(inhibitRule),
      receivers: all,
    }),
  };
}

/**
 * Alerts with the same name arrive in one message, however many gateways they are on. Another message follows
 * when gateways join, and the message repeats while the alert lasts.
 */
const ROUTE = {
  receiver: NOBODY, // for severity info
  group_by: ["alertname", "stack"],
  routes: [
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

/**
 * Alertmanager's key for a secret. The key ends with `_file` if Alertmanager reads the secret from a file.
 */
function secret(name: string, confidential: Confidential): Record<string, string> {
  return "file" in confidential ? { [`${name}_file`]: confidential.file } : { [name]: confidential.value };
}

// Alertmanager replaces these templates when it sends a message.
const FIRST =
  "{{ (index $alerts 0).Annotations.summary }}{{ if gt (len $alerts) 1 }} ({{ len $alerts }}){{ end }}";
// The summary is about firing alerts. It is about resolved alerts only when no alert of the group fires any
// more.
const SUMMARY = `{{ $alerts := .Alerts.Firing }}{{ if eq .Status "resolved" }}{{ $alerts = .Alerts.Resolved }}{{ end }}${FIRST}`;
const TITLE = `[{{ .Status | toUpper }}] {{ .CommonLabels.stack }}: ${SUMMARY}`;
// A resolved alert has no description here: the description has the value of the time when the alert fired,
// as if it were the value now.
const LINES = [
  "{{ range .Alerts.Firing }}{{ .Annotations.description }}\n{{ .Annotations.runbook_url }}\n{{ .Annotations.dashboard_url }}\n{{ end }}",
  "{{ range .Alerts.Resolved }}Resolved: {{ .Annotations.summary }}{{ with .Labels.instance }} ({{ . }}){{ end }}\n{{ end }}",
].join("");

/** A receiver that sends firing and resolved alerts to all of the given destinations. */
function receiver(name: string, { webhook, pagerduty, slack }: Receivers): object {
  const send_resolved = true;
  return {
    name,
    ...(webhook && { webhook_configs: [{ send_resolved, ...secret("url", webhook) }] }),
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
          ...secret("api_url", slack),
          title: TITLE,
          text: LINES,
        },
      ],
    }),
  };
}
