import { spawn } from "node:child_process";

const START_MS = 60_000; // 1 min for gcloud to start and to connect
const LISTENING = /Listening on port \[(\d+)\]/;
const TAIL = 400; // characters of gcloud's output that an error shows

/** A VM and its port. */
export interface TunnelTarget {
  project: string;
  zone: string;
  instance: string;
  port: number;
}

/** A port of this machine that leads to the port of a VM. */
export interface Tunnel {
  port: number;
  close(): void;
}

export type OpenTunnel = (target: TunnelTarget) => Promise<Tunnel>;

/**
 * Opens a tunnel with `gcloud compute start-iap-tunnel`: the VMs have no public address, and Identity-Aware
 * Proxy admits who may use it.
 *
 * @throws Error that says what gcloud printed
 */
export const iapTunnel: OpenTunnel = ({ project, zone, instance, port }) => {
  const args = ["compute", "start-iap-tunnel", instance, String(port), "--local-host-port=localhost:0"];
  const child = spawn("gcloud", [...args, `--zone=${zone}`, `--project=${project}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const close = () => {
    child.kill();
  };
  return new Promise((resolve, reject) => {
    let output = "";
    const fail = (why: string) => {
      clearTimeout(timer);
      close();
      const hint = output.includes("4033") ? "; this account needs roles/iap.tunnelResourceAccessor" : "";
      reject(new Error(`no tunnel to port ${port} of ${instance}: ${why}${hint}`));
    };
    const timer = setTimeout(() => fail(`gcloud is not ready after ${START_MS / 1000} s`), START_MS);
    const read = (chunk: Buffer) => {
      output = `${output}${chunk}`.slice(-4 * TAIL);
      const [, found] = LISTENING.exec(output) ?? [];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve({ port: Number(found), close });
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", (error: NodeJS.ErrnoException) =>
      fail(error.code === "ENOENT" ? "gcloud is not installed on this machine" : error.message),
    );
    child.once("exit", () => fail(output.slice(-TAIL).replaceAll(/\s+/g, " ").trim() || "gcloud ended"));
  });
};
