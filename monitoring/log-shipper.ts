/**
 * Configuration of Alloy, which sends the journal of a VM to Loki. The VM's start-up script sets LOKI_URL, ODIN_ROLE and ODIN_INSTANCE.
 * Labels are few and of few values: host, role, container, level. What is different in every line, a connection for example, stays
 * in the line.
 *
 * @param containers whose lines are sent: names without the prefix `odin-`. The start-up script's, our other units' and the kernel's
 *   go with them.
 */
export function logShipper(containers: readonly string[]): string {
  const wanted = containers.map((name) => `odin-${name}`).join("|");
  return `loki.source.journal "machine" {
  max_age       = "1h"
  labels        = { host = sys.env("ODIN_INSTANCE"), role = sys.env("ODIN_ROLE") }
  relabel_rules = loki.relabel.journal.rules
  forward_to    = [loki.process.lines.receiver]
}

loki.relabel "journal" {
  forward_to = []

  // docker writes the container's name; others have the name of their unit
  rule {
    source_labels = ["__journal_container_name", "__journal__systemd_unit", "__journal__transport"]
    separator     = ";"
    regex         = "(${wanted});.*|;(google-startup-scripts|odin-.+)\\\\.service;.*|;;(kernel)"
    action        = "keep"
  }
  rule {
    source_labels = ["__journal_container_name"]
    regex         = "odin-(.+)"
    target_label  = "container"
  }
  rule {
    source_labels = ["__journal_priority_keyword"]
    target_label  = "level"
  }
  rule {
    source_labels = ["__journal_priority_keyword"]
    regex         = "err"
    replacement   = "error"
    target_label  = "level"
  }
}

loki.process "lines" {
  forward_to = [loki.write.loki.receiver]

  // the gateway says how serious a line is in the line; docker only knows out from err
  stage.json {
    expressions = { severity = "severity" }
  }
  stage.template {
    source   = "severity"
    template = "{{ if .Value }}{{ ToLower .Value }}{{ end }}"
  }
  stage.labels {
    values = { level = "severity" }
  }
}

loki.write "loki" {
  endpoint {
    url = sys.env("LOKI_URL") + "/loki/api/v1/push"
  }
}
`;
}
