import { ApiError, type GoogleApi } from "./compute-api.ts";

/**
 * Returns the state of a managed certificate, for example `PROVISIONING`. Called when a client could not
 * connect to the TLS entrance.
 *
 * @param name `projects/P/locations/global/certificates/N`
 * @param failure why the client could not connect
 * @throws Error when the certificate is active, because then the failure has another cause and does not pass
 *   by itself
 */
export async function inactiveState(api: GoogleApi, name: string, failure: string): Promise<string> {
  const answer = (await api("GET", name)) as { managed?: { state?: string } };
  const state = answer.managed?.state ?? "STATE_UNSPECIFIED";
  if (state !== "ACTIVE") return state;
  throw new Error(`the certificate is ACTIVE, but clients cannot connect: ${failure}`);
}

/** Advice for a person: where to look when {@link inactiveState} failed. */
export function whereToLookForCertificate(error: unknown): string {
  if (!(error instanceof ApiError))
    return "Look at the DNS record of the domain, the forwarding rule of port 443, and the certificate map of its proxy";
  if (error.status === 403)
    return "Look at the roles of this account: it needs certificatemanager.certs.get (roles/certificatemanager.viewer)";
  return "Look at the name of the certificate, and at the credentials and the network of this machine";
}
