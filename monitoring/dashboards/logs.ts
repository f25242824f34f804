import { LOG_LABELS } from "../limits/log-labels.ts";
import { METRIC } from "../limits/metrics.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { graph, logLines, number } from "./panels.ts";
import { textVariable } from "./variables.ts";

const { host, role, level } = LOG_LABELS;
const CHOSEN = `${host}=~".*$instance.*"`;
/** `role` is there because Loki requires at least one matcher that does not match an empty value. */
const STREAMS = `{${role}=~".+",${CHOSEN}}`;
const GATEWAYS = `{${role}="gateway",${CHOSEN}}`;
const ERRORS = `{${role}=~".+",${CHOSEN},${level}=~"error|critical|crit|alert|emerg"}`;
/** Keeps the lines that contain the typed text; with an empty text all lines. */
const CONTAINS = "|= `$connection`";

/**
 * Keeps the lines of exactly the typed user; with an empty text all lines. LogQL compares a label only with a
 * fixed text, and an empty text would match the lines without a user.
 */
const OF_USER =
  '| label_format chosen=`{{if eq "$user" ""}}yes{{else if eq .user "$user"}}yes{{end}}` | chosen="yes"';

/** `connection closed user=ann … code=1008 by=gateway …`: fields that a line does not have are left out. */
const CONNECTION_LINE = [
  "{{.message}}",
  ...["user", "connection", "transport", "address", "code", "by"].map(
    (field) => `{{if .${field}}} ${field}={{.${field}}}{{end}}`,
  ),
  `{{if .to}} from={{.from}} to={{.to}}{{end}}`,
  `{{if .reason}} reason=\\"{{.reason}}\\"{{end}}`,
  `{{if .detail}} detail=\\"{{.detail}}\\"{{end}}`,
  `{{if .last_answer}} last_poll={{.last_poll}} last_answer=\\"{{.last_answer}}\\"{{end}}`,
  ...["seconds", "polls", "refused", "deliveries", "bytes"].map(
    (field) => `{{if .${field}}} ${field}={{.${field}}}{{end}}`,
  ),
].join("");

/** How the message of a line about a connection begins in the JSON, quoted for LogQL. */
const CONNECTION_EVENT = String.raw`\"message\":\"connection `;

/** The dashboard of log lines: of all machines, of one machine, or about one connection. */
export function logsDashboard(): Dashboard {
  return {
    name: "logs",
    description:
      "Log lines of gateways, NATS and monitoring, and in a capacity test of the publisher. Type a part of an instance's name, or the id of a connection as the client got it in `welcome`.",
    from: "now-1h",
    variables: [
      textVariable(
        "instance",
        "Instance",
        "Part of a VM's name, for example gateway-3x7k. Empty: all instances",
        "",
      ),
      textVariable(
        "user",
        "User",
        "The whole name of a user (claim sub of the token), for the panel Connections. Empty: all users",
        "",
      ),
      textVariable(
        "connection",
        "Connection or text",
        "Id of a connection, or any other part of a line. Empty: all lines",
        "",
      ),
    ],
    rows: [
      { title: "Number of lines", panels: volumePanels() },
      { title: "Lines", panels: linePanels() },
    ],
  };
}

function volumePanels() {
  return [
    number({
      title: "Errors",
      description: "Lines of level error and worse in the time range.",
      unit: "short",
      line: { limit: "logErrors", bad: "above" },
      queries: [{ expr: `sum(count_over_time(${ERRORS} ${CONTAINS} [$__range])) or vector(0)` }],
      source: "loki",
      width: 4,
      height: 8,
    }),
    number({
      title: "Lost lines",
      description:
        "Log lines that gateways lost in the time range, because nothing read their output fast enough or the disk behind it was full.",
      unit: "short",
      line: { limit: "logLinesLost", bad: "above" },
      queries: [
        {
          expr: `sum(increase(${METRIC.logLinesLost}{instance=~".*$instance.*"}[$__range])) or vector(0)`,
        },
      ],
      width: 4,
      height: 8,
    }),
    number({
      title: "Left out",
      description:
        "Lines about connections that gateways left out in the time range, because they were more than LOG_CONNECTIONS_PER_SECOND of one kind.",
      unit: "short",
      line: "volume",
      queries: [
        {
          expr: `sum(increase(${METRIC.logLinesLeftOut}{instance=~".*$instance.*"}[$__range])) or vector(0)`,
        },
      ],
      width: 4,
      height: 8,
    }),
    graph({
      title: "Lines by level",
      description:
        "Lines in each step of the graph. For a line without a level, Docker distinguishes only standard output from standard error.",
      unit: "short",
      line: "volume",
      queries: [
        {
          expr: `sum by (${level}) (count_over_time(${STREAMS} ${CONTAINS} [$__auto]))`,
          legend: `{{${level}}}`,
        },
      ],
      source: "loki",
      stacked: true,
    }),
    graph({
      title: "Lines by instance",
      description:
        "Lines in each step of the graph. An instance far above the others probably logs in a loop.",
      unit: "short",
      line: "volume",
      queries: [
        {
          expr: `sum by (${host}) (count_over_time(${STREAMS} ${CONTAINS} [$__auto]))`,
          legend: `{{${host}}}`,
        },
      ],
      source: "loki",
      stacked: true,
    }),
  ];
}

function linePanels() {
  return [
    logLines({
      title: "Errors",
      description: "Lines of level error and worse, the newest first.",
      queries: [{ expr: `${ERRORS} ${CONTAINS}` }],
      height: 8,
    }),
    logLines({
      title: "Connections",
      description:
        "Connections that were opened, refused, throttled and closed, and clients that began and ended to poll. Type a user above, as a whole, or the id of a connection. The runbook explains the lines under 'Why was a user disconnected'. Lines above LOG_CONNECTIONS_PER_SECOND are left out and counted.",
      queries: [
        {
          expr: `${GATEWAYS} |= "${CONNECTION_EVENT}" ${CONTAINS} |= \`$user\` | json ${OF_USER} | line_format "${CONNECTION_LINE}"`,
        },
      ],
    }),
    logLines({
      title: "Gateways, message only",
      description: "Messages of the gateways' JSON lines. Open a line to see its other fields.",
      queries: [
        {
          expr: `${GATEWAYS} ${CONTAINS} | json | line_format "{{if .message}}{{.message}} {{if .connection}}connection={{.connection}} {{end}}{{if .user}}user={{.user}} {{end}}{{if .code}}code={{.code}}{{end}}{{else}}{{__line__}}{{end}}"`,
        },
      ],
    }),
    logLines({
      title: "All lines",
      description: "Unchanged lines of gateways, NATS, monitoring, start-up scripts and the kernel.",
      queries: [{ expr: `${STREAMS} ${CONTAINS}` }],
    }),
  ];
}
