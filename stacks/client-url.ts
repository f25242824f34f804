import { type LoadBalancer, PORTS } from "@odin-ws/infra";
import * as pulumi from "@pulumi/pulumi";

/** Address for clients, through a load balancer of one region. */
export function clientUrl({ address }: LoadBalancer): pulumi.Output<string> {
  return pulumi.interpolate`ws://${address}:${PORTS.clients}/ws`;
}
