import { LOG_LABELS } from "../limits/log-labels.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { graph, logLines, number } from "./panels.ts";
import { textVariable } from "./variables.ts";

const { host, role, level } = LOG_LABELS;
const CHOSEN = `${host}=~".*$instance.*"`;
/** Loki wants one matcher at least that an empty value does not meet. */
const STREAMS = `{${role}=~".+",${CHOSEN}}`;
const GATEWAYS = `{${role}="gateway",${CHOSEN}}`;
const ERRORS = `{${role}=~".+",${CHOSEN},${level}=~"error|critical|crit|alert|emerg"}`;
/** Of the whole line; empty is everywhere. */
const CONTAINS = "|= `$connection`";

/** What machines and programs say: of all, of one, or of one connection. */
export function logsDashboard(): Dashboard {
  return {
    name: "logs",
    description:
      "Log lines of gateways and monitoring; in a capacity test of its NATS and publisher too. The NATS VMs keep theirs in their journal. Type in a part of an instance's name, or a connection's id as the client was told it in `welcome`.",
    from: "now-1h",
    variables: [
      textVariable("instance", "Instance", "Part of a VM's name, for example gateway-3x7k. Empty: all", ""),
      textVariable(
        "connection",
        "Connection or text",
        "A connection's id, or any other part of a line. Empty: all lines",
        "",
      ),
    ],
    rows: [
      { title: "How much", panels: volumePanels() },
      { title: "Lines", panels: linePanels() },
    ],
  };
}

function volumePanels() {
  return [
    number({
      title: "Errors",
      description: "Lines of level error and worse in the time on the screen.",
      unit: "short",
      line: { limit: "logErrors", bad: "above" },
      queries: [{ expr: `sum(count_over_time(${ERRORS} ${CONTAINS} [$__range])) or vector(0)` }],
      source: "loki",
      width: 4,
      height: 8,
    }),
    graph({
      title: "Lines by level",
      description:
        "Lines in each step of the graph. Docker only tells out from err where a line does not say its level.",
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
      width: 10,
    }),
    graph({
      title: "Lines by instance",
      description: "Lines in each step of the graph. One far above the others logs in a loop.",
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
      width: 10,
    }),
  ];
}

function linePanels() {
  return [
    logLines({
      title: "Errors",
      description: "Level error and worse, the newest first.",
      queries: [{ expr: `${ERRORS} ${CONTAINS}` }],
      height: 8,
    }),
    logLines({
      title: "Gateways, without the envelope",
      description:
        "What gateways said, with the fields of their JSON lines under each. Lines about one connection are of level debug: they are here while LOG_LEVEL is debug.",
      queries: [
        {
          expr: `${GATEWAYS} ${CONTAINS} | json | line_format "{{if .message}}{{.message}} {{if .connection}}connection={{.connection}} {{end}}{{if .user}}user={{.user}} {{end}}{{if .code}}code={{.code}}{{end}}{{else}}{{__line__}}{{end}}"`,
        },
      ],
    }),
    logLines({
      title: "All lines",
      description: "As they were written: gateways, monitoring, start-up scripts and the kernel.",
      queries: [{ expr: `${STREAMS} ${CONTAINS}` }],
    }),
  ];
}
