/** Ways in which a call to an HTTP service fails that are no answer's: nobody is reached, or what comes cannot be read. */
import { Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import { said } from "../ErrorKind.ts"

export const origin = {
  service: Schema.String,
  requestId: Schema.optional(Schema.String)
}

export const tracked = (error: { readonly requestId?: string | undefined }): string =>
  error.requestId === undefined ? "" : ` (request ${error.requestId})`

/** Text for an error: one line, at most 200 characters. */
export const excerpt = (text: string): string => {
  const line = text
    .slice(0, 400)
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim()
  return line.length > 200 ? `${line.slice(0, 199)}…` : line
}

/** An address that is no http(s) URL, or one that cannot be used as it is. */
export class InvalidUrl extends ErrorKind.ofCaller<InvalidUrl>()("InvalidUrl", {
  url: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `Cannot use "${this.url}" as a URL: ${this.detail}`
  }
}

/** Codes of a parser of HTTP that got something else, and not just its end too soon: it would get it again. */
const isNoHttp = (code = ""): boolean => /^HPE_(?!.*EOF)|HEADERS_OVERFLOW/.test(code)

/** Codes of Node's TLS for a handshake that failed, such as UNABLE_TO_VERIFY_LEAF_SIGNATURE. */
const isTls = (code = ""): boolean => /CERT|TLS|SSL|SIGN|VERIFY|HOSTNAME/.test(code)

/**
 * The service could not be reached, or the connection broke.
 *
 * `sent` is "no" where the request provably never left (nobody listened, the name did not resolve), else "maybe".
 */
export class ConnectionFailed extends Schema.TaggedError<ConnectionFailed>()("ConnectionFailed", {
  ...origin,
  /** The system's code where there is one, such as ECONNREFUSED. */
  code: Schema.optional(Schema.String),
  phase: Schema.Literals(["sending", "receiving"]),
  sent: Schema.Literals(["no", "maybe"]),
  detail: Schema.String
}) {
  /** Not where nothing changes within seconds: a certificate that is not trusted, a name that does not exist, a proxy that says no. */
  get isRetryable(): boolean {
    // A resolver that does not answer is EAI_AGAIN, and asked again.
    return (
      this.code !== "ENOTFOUND" &&
      !isTls(this.code) &&
      !isNoHttp(this.code) &&
      !/^ERR_PROXY_(AUTH|REFUSED)/.test(this.code ?? "")
    )
  }
  get concerns(): "service" {
    return "service"
  }
  get isTransient(): boolean {
    return this.isRetryable
  }
  override get message(): string {
    const hint =
      this.code === "ECONNREFUSED"
        ? ". Is the service running, and is this its port?"
        : this.code === "ENOTFOUND" || this.code === "EAI_AGAIN"
          ? ". Is the host name right, and this machine online?"
          : isTls(this.code)
            ? ". Does it speak TLS, with a certificate that this machine trusts?"
            : isNoHttp(this.code)
              ? ". Is this its port, and does it speak http:// or https://?"
              : ""
    const what = isNoHttp(this.code)
      ? `What came from ${this.service} is no HTTP`
      : this.phase === "receiving"
        ? `The connection to ${this.service} broke while its answer came in`
        : `Cannot reach ${this.service}`
    return `${what}${said(this.detail)}${hint}${tracked(this)}`
  }
}

/** The answer is not what the protocol says: broken JSON, another shape, a value out of range. Never retried: the service did its work, and may be paid for it; its answer would be the same again. */
export class ResponseNotDecodable extends ErrorKind.ofService<ResponseNotDecodable>()(
  "ResponseNotDecodable",
  {
    ...origin,
    status: Schema.Int,
    /** The field, such as `analysis_results.classes`; empty where the whole is meant. */
    path: Schema.String,
    detail: Schema.String,
    /** The start of what came, at most 200 characters. */
    excerpt: Schema.String
  }
) {
  override get message(): string {
    const where = this.path === "" ? "" : ` at \`${this.path}\``
    const came = this.excerpt === "" ? "" : `. It starts: ${this.excerpt}`
    return `Cannot decode the answer of ${this.service}${where}: ${this.detail}${came}${tracked(this)}`
  }
}

/** The answer is larger than the limit, before or after decompression; the rest was not read. */
export class ResponseTooLarge extends ErrorKind.ofService<ResponseTooLarge>()("ResponseTooLarge", {
  ...origin,
  /** Whether the bytes on the wire or the decompressed ones went over. */
  stage: Schema.Literals(["received", "decompressed"]),
  /** In bytes. */
  limit: Schema.Number
}) {
  override get message(): string {
    const option = this.stage === "received" ? "maxBodyBytes" : "maxDecodedBytes"
    return `The answer of ${this.service} is larger than ${this.limit} bytes (${this.stage}). Raise \`${option}\` if that is to be expected${tracked(this)}`
  }
}
