import { GoogleAuth } from "google-auth-library";

const BASE = "https://compute.googleapis.com";
const CERTIFICATES = "https://certificatemanager.googleapis.com";
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const LIMIT_MS = 20_000; // 20 s for one request

/** The API's answer was not 200, or there was no answer. The message says what to do where that is known. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Whether another attempt cannot help: the request is wrong or not allowed, or nothing has this name. */
export function retryIsUseless({ status }: ApiError): boolean {
  return [400, 401, 403, 404].includes(status);
}

/**
 * Sends one request and returns the parsed answer. `path` is the part of the URL after the version, as in the
 * API's reference: after `/compute/v1/`, for example.
 * @throws ApiError
 */
export type GoogleApi = (method: "GET" | "POST" | "PATCH", path: string, body?: object) => Promise<unknown>;

/**
 * Google's Compute API, with the credentials of this machine: from gcloud, a service account or workload
 * identity federation. `ODIN_COMPUTE_URL` in the environment replaces `https://compute.googleapis.com`;
 * requests to it carry no credentials.
 */
export function computeApi(env: NodeJS.ProcessEnv = process.env): GoogleApi {
  return api(
    `${BASE}/compute/v1`,
    env.ODIN_COMPUTE_URL && `${withoutSlash(env.ODIN_COMPUTE_URL)}/compute/v1`,
  );
}

/** Google's Certificate Manager API, in the same way; `ODIN_CERTIFICATES_URL` replaces its address. */
export function certificatesApi(env: NodeJS.ProcessEnv = process.env): GoogleApi {
  return api(
    `${CERTIFICATES}/v1`,
    env.ODIN_CERTIFICATES_URL && `${withoutSlash(env.ODIN_CERTIFICATES_URL)}/v1`,
  );
}

const withoutSlash = (url: string) => url.replace(/\/+$/, "");

/** @param replacement used instead of `address`, without credentials; undefined or empty: none */
function api(address: string, replacement: string | undefined): GoogleApi {
  // Every path contains its project, so this project id is not used. Without an id the library would ask
  // another API for the project, and this account may not be allowed to use that API.
  const auth = !replacement ? new GoogleAuth({ scopes: [SCOPE], projectId: "unused" }) : undefined;
  return async (method, path, body) => {
    const url = `${replacement || address}/${path}`;
    const credentials = auth ? await credentialsFor(auth, url) : new Headers();
    credentials.set("content-type", "application/json");
    const response = await fetch(url, {
      method,
      headers: credentials,
      signal: AbortSignal.timeout(LIMIT_MS),
      ...(body && { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new ApiError(0, `${new URL(url).host} gave no answer: ${reason(error)}`);
    });
    const text = await response.text();
    if (!response.ok) throw new ApiError(response.status, `HTTP ${response.status}: ${messageOf(text)}`);
    return JSON.parse(text);
  };
}

/**
 * The request headers with Application Default Credentials.
 * @throws ApiError when there are no credentials
 */
export async function credentialsFor(auth: GoogleAuth, url: string): Promise<Headers> {
  try {
    const client = await auth.getClient();
    return new Headers(await client.getRequestHeaders(url));
  } catch (error) {
    throw new ApiError(
      401,
      `no credentials for Google Cloud (${reason(error)}): run \`gcloud auth application-default login\``,
    );
  }
}

/**
 * The API's own error message. Any other answer (the page of a proxy, for example) is cut to 200 characters.
 */
function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } };
    if (error?.message) return error.message;
  } catch {
    // Not JSON.
  }
  return text.slice(0, 200).replaceAll(/\s+/g, " ") || "(empty answer)";
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reason(error.cause) : error.message.split("\n")[0] || error.name;
}
