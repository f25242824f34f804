import { JOB, OTHER_METRIC } from "./metrics.ts";

/**
 * Query for how many of our NATS servers do not answer or are not healthy. Nothing while their exporter is away, which says nothing about them.
 *
 * @param servers how many there should be: the exporter has no line for one that does not answer
 */
export function unhealthyServers(servers: number): string {
  const healthy = `(count(${OTHER_METRIC.natsHealth} == 0) or vector(0))`;
  return `(${servers} - ${healthy} and on() max(${OTHER_METRIC.up}{job="${JOB.nats}"}) == 1)`;
}
