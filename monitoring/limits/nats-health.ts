import { JOB, OTHER_METRIC } from "./metrics.ts";

/**
 * Query for the number of NATS servers of the deployment that do not answer or are not healthy. The query has
 * no result while the NATS exporter is down, because nothing is known about the servers then.
 *
 * @param servers number of servers that should run: the exporter has no series for a server that does not
 * answer
 */
export function unhealthyServers(servers: number): string {
  const healthy = `(count(${OTHER_METRIC.natsHealth} == 0) or vector(0))`;
  return `(${servers} - ${healthy} and on() max(${OTHER_METRIC.up}{job="${JOB.nats}"}) == 1)`;
}
