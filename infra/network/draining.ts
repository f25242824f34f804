const SECONDS_TO_NOTICE = 60;

/**
 * How long a load balancer goes on forwarding to a gateway that the group takes away, in seconds. The same for all backend services:
 * of several that share a group the largest counts for all, and they must not disagree in what they promise.
 *
 * A gateway leaves in this order: no new connections; this time, in which packets of the old ones still reach it; then the load
 * balancer forgets them and another gateway answers them with a reset; only then, within 60 s, the VM's power button. So whoever
 * leaves must have sent its clients away before this time is over: its drain, and 60 s to notice that it has to go, for which it asks
 * its group (startup/leaving.sh).
 * Source: cloud.google.com/load-balancing/docs/enabling-connection-draining
 * @param drainSeconds how long the gateway takes to send its clients away
 */
export function connectionDrainingSeconds(drainSeconds: number): number {
  return SECONDS_TO_NOTICE + drainSeconds;
}

/**
 * The longest drain, in seconds, that a gateway finishes after the power button: Compute Engine cuts the power 120 s after it, of
 * Spot VMs 30 s, and systemd and Docker need some of that to stop the container.
 */
export function maxDrainSeconds(spot: boolean): number {
  return spot ? 30 - 10 : 120 - 20;
}
