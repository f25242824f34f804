import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { GoogleAuth } from "google-auth-library";
import { ApiError, credentialsFor } from "./compute-api.ts";

const SCOPES = ["https://www.googleapis.com/auth/cloud-platform"];

test("credentials of workload identity federation, which jobs without keys use, become a bearer token", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "odin-auth-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const exchanged: URLSearchParams[] = [];
  const sts = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    exchanged.push(new URLSearchParams(body));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ access_token: "short-lived", token_type: "Bearer", expires_in: 3600 }));
  });
  await new Promise<void>((resolve) => sts.listen(0, "127.0.0.1", resolve));
  t.after(() => sts.close());
  writeFileSync(join(folder, "job-token"), "the job's own token");
  const keyFile = join(folder, "credentials.json");
  const { port } = sts.address() as AddressInfo;
  writeFileSync(
    keyFile,
    JSON.stringify({
      type: "external_account",
      audience:
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/github",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `http://127.0.0.1:${port}/v1/token`,
      credential_source: { file: join(folder, "job-token") },
    }),
  );
  process.env.GOOGLE_APPLICATION_CREDENTIALS = keyFile; // the login step of a job sets this variable
  const headers = await credentialsFor(
    new GoogleAuth({ scopes: SCOPES, projectId: "unused" }),
    "https://compute.googleapis.com/",
  );
  assert.equal(headers.get("authorization"), "Bearer short-lived");
  assert.equal(exchanged[0]?.get("subject_token"), "the job's own token");
});

test("without credentials the message says how to get them", async () => {
  process.env.GOOGLE_APPLICATION_CREDENTIALS = "/nonexistent/credentials.json";
  const auth = new GoogleAuth({ scopes: SCOPES, projectId: "unused" });
  await assert.rejects(credentialsFor(auth, "https://compute.googleapis.com/"), (error) => {
    assert.ok(error instanceof ApiError);
    assert.match(
      error.message,
      /no credentials for Google Cloud \(.*\): run `gcloud auth application-default login`/,
    );
    return true;
  });
});
