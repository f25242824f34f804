import { ApiError, type GoogleApi } from "./compute-api.ts";

/** An instance and its health as the load balancer sees it. */
interface Seen {
  instance: string;
  state: string;
}

/**
 * Checks that the load balancer sees all instances as healthy, and returns the number of instances. The
 * answer comes from Google's API, because the port of `/health` is closed to everyone except the load
 * balancer's probes.
 * @throws Error that names the instances that are not healthy
 */
export async function checkBackendHealth(
  api: GoogleApi,
  backendService: string,
  group: string,
): Promise<number> {
  const answer = (await api("POST", `${backendService}/getHealth`, { group })) as {
    healthStatus?: { instance?: string; healthState?: string }[];
  };
  const seen: Seen[] = (answer.healthStatus ?? []).map(({ instance = "?", healthState = "UNKNOWN" }) => ({
    instance: instance.split("/").at(-1) ?? instance,
    state: healthState,
  }));
  if (seen.length === 0)
    throw new Error("the load balancer sees no instance, expected at least one that is HEALTHY");
  const unhealthy = seen.filter(({ state }) => state !== "HEALTHY");
  if (unhealthy.length === 0) return seen.length;
  const states = unhealthy.map(({ instance, state }) => `${instance} is ${state}`).join(", ");
  throw new Error(`${unhealthy.length} of ${seen.length} instances: ${states}, expected HEALTHY`);
}

/** Advice for a person: where to look when {@link checkBackendHealth} failed. */
export function whereToLookForHealth(error: unknown): string {
  if (!(error instanceof ApiError))
    return (
      "Look at port 3002, /health of these instances (the JSON contains the reason), at their serial console, and at the " +
      "firewall rule for the probes"
    );
  if (error.status === 403)
    return "Look at the roles of this account: it needs compute.backendServices.get (roles/compute.viewer)";
  if (error.status === 404) return "Look at the name of the backend service and of the instance group";
  return "Look at the credentials and the network of this machine";
}
