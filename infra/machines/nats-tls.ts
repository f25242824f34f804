import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

const YEAR = 8_760; // hours
const CA_YEARS = 10;
const SERVER_YEARS = 2;
const SERVER_RENEWAL = 1_440; // hours, 60 days: an update in the last 60 days issues a new certificate
// Hours: a server's certificate must not be valid for longer than the certificate of the CA that signed it.
const CA_RENEWAL = SERVER_YEARS * YEAR + SERVER_RENEWAL;

const KEY = { algorithm: "ECDSA", ecdsaCurve: "P256" };

/** Private key and certificate of a server, as PEM. */
export interface ServerIdentity {
  /** Secret. */
  key: pulumi.Output<string>;
  certificate: pulumi.Output<string>;
}

/**
 * A certificate authority for NATS servers that only our own machines connect to. Its private key is in the
 * stack's encrypted state and nowhere else. A renewed CA certificate keeps its key and name, so machines with
 * the old and with the new certificate trust the same servers.
 */
export class NatsTls extends pulumi.ComponentResource {
  /** Public certificate of the CA, as PEM; clients must trust it. */
  readonly ca: pulumi.Output<string>;
  private readonly label: string;
  private readonly key: tls.PrivateKey;

  /** @param args.owner part of the CA's common name, for example `odin-prod` */
  constructor(name: string, args: { owner: string }, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:NatsTls", name, {}, opts);
    this.label = name;
    this.key = new tls.PrivateKey(`${name}-ca`, KEY, { parent: this });
    const certificate = new tls.SelfSignedCert(
      `${name}-ca`,
      {
        privateKeyPem: this.key.privateKeyPem,
        subject: { commonName: `${args.owner} NATS CA` },
        isCaCertificate: true,
        setSubjectKeyId: true,
        setAuthorityKeyId: true,
        allowedUses: ["cert_signing", "crl_signing", "digital_signature"],
        validityPeriodHours: CA_YEARS * YEAR,
        earlyRenewalHours: CA_RENEWAL,
      },
      { parent: this },
    );
    this.ca = pulumi.unsecret(certificate.certPem);
    this.registerOutputs({ ca: this.ca });
  }

  /**
   * Issues a certificate for a server at its addresses. The certificate is valid for both ends of a
   * connection, because the servers of a cluster verify each other.
   */
  server(server: string, ...addresses: pulumi.Input<string>[]): ServerIdentity {
    const name = `${this.label}-${server}`;
    const key = new tls.PrivateKey(name, KEY, { parent: this });
    const privateKeyPem = pulumi.secret(key.privateKeyPem);
    const request = new tls.CertRequest(
      name,
      { privateKeyPem, subject: { commonName: server }, ipAddresses: [...addresses, "127.0.0.1"] },
      { parent: this },
    );
    const certificate = new tls.LocallySignedCert(
      name,
      {
        certRequestPem: request.certRequestPem,
        caPrivateKeyPem: this.key.privateKeyPem,
        caCertPem: this.ca,
        allowedUses: ["digital_signature", "server_auth", "client_auth"],
        validityPeriodHours: SERVER_YEARS * YEAR,
        earlyRenewalHours: SERVER_RENEWAL,
      },
      { parent: this },
    );
    return { key: privateKeyPem, certificate: pulumi.unsecret(certificate.certPem) };
  }
}
