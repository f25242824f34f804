import assert from "node:assert/strict";
import { test } from "node:test";
import { notYet } from "./secure-entrance.ts";

const failed = (code: string, message = "") => Object.assign(new Error(message), { code });

test("failures that pass by themselves after a first deployment", () => {
  for (const code of ["ENOTFOUND", "EAI_AGAIN"])
    assert.match(notYet(failed(code)) ?? "", /name is not in the DNS/);
  for (const code of [
    "EPROTO",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
  ])
    assert.match(notYet(failed(code)) ?? "", /no valid certificate yet/, code);
  assert.ok(
    notYet(
      failed("ECONNRESET", "Client network socket disconnected before secure TLS connection was established"),
    ),
  );
});

test("failures that do not pass by themselves", () => {
  for (const code of ["CERT_HAS_EXPIRED", "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET"])
    assert.equal(notYet(failed(code, "socket hang up")), undefined, code);
  assert.equal(notYet(new Error("refused with HTTP 502")), undefined);
  assert.equal(notYet("text"), undefined);
});
